/** What both builds have in common. */

export type { Action, Actions } from "./actions.js";
export { DEFAULT_BACKOFF, type Backoff } from "./backoff.js";
export { Client, DEFAULT_URL, type ClientEvents, type ClientOptions, type EventOptions, type SayOptions } from "./client.js";
export { ConnectionLost, NpcError, ServerUnreachable } from "./errors.js";
export { Npc } from "./npc.js";
export type * from "./protocol.js";
export { ERROR_CODES, VERSION } from "./protocol.js";
export { Reactions } from "./reactions.js";
export { Reply, type ReplyPart } from "./reply.js";
