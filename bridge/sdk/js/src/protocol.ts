/** The messages of the protocol, version 1. docs/protocol.md says what they mean. Times are seconds. */

export const VERSION = 1;

export type RequestId = string | number;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Priority = "player" | "ambient" | "idle";
export type Finish = "stop" | "length" | "cancelled" | "deadline" | "error";

export interface ClientInfo { name: string; version?: string; game?: string }
export interface Speaker { id: string; name?: string; kind?: "player" | "npc" | "system" }
export interface Resume { session: string; last_seq: number }
export interface ActionSpec { name: string; description: string; schema: Json }
export type Scope = { npc: string } | { persona: string } | { all: true };
export type Fact = null | boolean | number | string | string[];
export interface Relationship { trust?: number; note?: string }

export interface Hello { type: "hello"; id?: RequestId; protocol: number; client: ClientInfo; token?: string; resume?: Resume }
export interface NpcSpawn { type: "npc.spawn"; id: RequestId; npc: string; persona: string; world?: string; vars?: Record<string, string> }
export interface NpcDespawn { type: "npc.despawn"; id: RequestId; npc: string }
export interface NpcForget { type: "npc.forget"; id: RequestId; npc: string }
export interface NpcUpdate {
  type: "npc.update"; id: RequestId; npc: string; state?: Record<string, Fact>; mood?: string;
  relationships?: Record<string, Relationship | null>;
}
export interface NpcList { type: "npc.list"; id: RequestId; active?: boolean }
export interface NpcInspect { type: "npc.inspect"; id: RequestId; npc: string }
export interface Say {
  type: "say"; id: RequestId; npc: string; speaker: Speaker; text: string; hearers?: string[]; priority?: Priority;
  deadline_ms?: number; max_tokens?: number; actions?: string[];
}
export interface Event {
  type: "event"; id: RequestId; hearers: string[]; text: string; kind?: string; salience?: number; silent?: boolean;
}
export interface Cancel { type: "cancel"; id?: RequestId; target: RequestId }
export interface Ping { type: "ping"; id?: RequestId }
export interface Hint { type: "hint"; id: RequestId; npcs: string[]; eta_ms: number }
export interface Budget { type: "budget"; id: RequestId; device_bytes?: number; ram_bytes?: number; disk_bytes?: number }
export interface AskStats { type: "stats"; id: RequestId }
export interface Subscribe { type: "subscribe"; id: RequestId; topics: string[] }
export interface ActionsRegister { type: "actions.register"; id: RequestId; scope: Scope; actions: ActionSpec[] }
export interface ActionsUnregister { type: "actions.unregister"; id: RequestId; scope: Scope; actions: string[] }
export interface ActionResult { type: "action.result"; id: RequestId; call: string; ok: boolean; message?: string }
export interface Decide { type: "decide"; id: RequestId; npc: string; question: string; schema: Json; remember?: boolean }

export type ClientMessage =
  | Hello | NpcSpawn | NpcDespawn | NpcForget | NpcUpdate | NpcList | NpcInspect | Say | Event | Cancel | Ping | Hint | Budget | AskStats
  | Subscribe | ActionsRegister | ActionsUnregister | ActionResult | Decide;

interface Answer { re?: RequestId; seq?: number }

export interface Limits { message_bytes: number; open_requests: number; npcs: number; [limit: string]: number }
export interface Welcome extends Answer {
  type: "welcome"; session: string; resumed?: boolean; protocol: number; server: string; limits: Limits;
  capabilities: string[]; model: string;
}
export interface Ok extends Answer { type: "ok" }
export interface Pong extends Answer { type: "pong" }
export interface NpcSummary { npc: string; persona: string; name: string; active: boolean }
export interface NpcListing extends Answer { type: "npc.listing"; npcs: NpcSummary[] }
export interface Remembered { speaker: string; text: string; at: number }
export interface KvUse { bytes: number; tier: string; tiers: Record<string, number>; tokens: number }
export interface NpcInfo extends Answer {
  type: "npc.info"; npc: string; persona: string; name: string; active: boolean; mood: string;
  relationships: Record<string, Record<string, Json>>; journal: Remembered[]; tokens: Record<string, number>; kv: KvUse;
}
export interface ReplyStart extends Answer { type: "reply.start"; npc: string }
export interface ReplyDelta extends Answer { type: "reply.delta"; npc: string; text: string }
export interface ReplySentence extends Answer { type: "reply.sentence"; npc: string; text: string }
export interface ReplyAction extends Answer {
  type: "reply.action"; npc: string; call: string; name: string; args: { [key: string]: Json };
}
export interface Usage { prompt_tokens: number; cached_tokens: number; completion_tokens: number }
export interface Timings { queue: number; restore: number; prefill: number; first_token: number; total: number }
export interface ReplyDone extends Answer {
  type: "reply.done"; npc: string; text: string; finish: Finish; usage?: Usage; timings?: Timings; mood?: string;
}
export interface MemoryCompacted extends Answer {
  type: "memory.compacted"; npc: string; tokens_before: number; tokens_after: number;
}
export interface Decided extends Answer { type: "decided"; value: Json }
export interface Stats extends Answer {
  type: "stats"; sessions: number; npcs: Record<string, number>; engine: Record<string, number>;
  tiers: Record<string, { used: number; budget: number }>;
}
export interface ErrorMessage extends Answer {
  type: "error"; code: string; message: string; path?: string; retry_after_ms?: number;
}
export interface Bye extends Answer { type: "bye"; reason: string }

export type ServerMessage =
  | Welcome | Ok | Pong | NpcListing | NpcInfo | ReplyStart | ReplyDelta | ReplySentence | ReplyAction | ReplyDone
  | MemoryCompacted | Decided | Stats | ErrorMessage | Bye;
