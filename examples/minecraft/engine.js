/** `npc-engine serve` with the personas of this village, in a process of its own. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { end } from "./child.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CHECKOUT = join(HERE, "..", "..");
// The first start of all converts the model.
const STARTS_WITHIN_MS = 600_000;

export class Engine {
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** `data` is the folder for what is remembered; `flags` are for `npc-engine serve`. */
  static async start({ data, flags = [] }) {
    const child = spawn(
      python(),
      ["-m", "npc_engine.cli", "serve", "--port", "0", "--http-port", "0", "--personas", join(HERE, "personas"), "--data", data, ...flags],
      { cwd: CHECKOUT, stdio: ["ignore", "pipe", "inherit"] }, // its log is where its errors are explained
    );
    const lines = createInterface(child.stdout);
    const late = setTimeout(() => child.kill("SIGKILL"), STARTS_WITHIN_MS);
    const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => [""])]);
    clearTimeout(late);
    const url = /listening on (ws:\S+)/.exec(line)?.[1];
    if (url === undefined) {
      await end(child);
      throw new Error(`npc-engine serve did not start. ${line}`);
    }
    return new Engine(child, url);
  }

  end() {
    return end(this.child);
  }
}

/** The interpreter of the checkout's environment, or the one that NPC_ENGINE_PYTHON names. */
function python() {
  const own = [".venv/bin/python", ".venv/Scripts/python.exe"].map((path) => join(CHECKOUT, path)).find(existsSync);
  return process.env.NPC_ENGINE_PYTHON ?? own ?? "python3";
}
