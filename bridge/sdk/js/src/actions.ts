/** What NPCs can do in the game, and what is called when they do it. */

import type { Action as ActionSpec, Json, ReplyAction } from "./protocol.js";

/** One thing that an NPC can do. `run` returns what came of it, in words, which the NPC remembers; it may throw. */
export interface Action {
  description: string;
  /** JSON Schema of the arguments, an object; the NPC can't give others. Without one it takes none. */
  schema?: { [key: string]: Json };
  // The schema says what they are, which the compiler can't read.
  run(args: Record<string, any>, call: ReplyAction): Promise<string | void> | string | void;
}

export type Actions = Record<string, Action>;

/** How the server is told about `actions`. */
export function specs(actions: Actions): ActionSpec[] {
  return Object.entries(actions).map(([name, { description, schema }]) => ({ name, description, schema }));
}

/** What came of a call, as the server is told. */
export async function outcome(action: Action, call: ReplyAction): Promise<{ ok: boolean; message?: string }> {
  try {
    const message = await action.run(call.args, call);
    return message ? { ok: true, message } : { ok: true };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
