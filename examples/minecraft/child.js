/** Processes that this one starts, and that end with it. */

import { once } from "node:events";

const ENDS_WITHIN_MS = 30_000;

/** Ask `child` to stop, and see that it does. Safe to repeat. */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), ENDS_WITHIN_MS);
  await gone;
  clearTimeout(late);
}
