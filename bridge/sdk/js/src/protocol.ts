// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.

/** The version of the protocol that these types are of. */
export const VERSION = 1;

/** The client's name for a request, which its answers carry as `re`. */
export type RequestId = number | string;

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The codes of this version. Take others too: they grow with the protocol. */
export const ERROR_CODES = [
  "bad_message",
  "unknown_type",
  "unsupported_version",
  "unauthorized",
  "unknown_npc",
  "unknown_persona",
  "invalid_persona",
  "unknown_action",
  "schema_unsupported",
  "limit_size",
  "limit_rate",
  "limit_requests",
  "deadline",
  "cancelled",
  "overloaded",
  "checkpoint_not_found",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export type Priority = "player" | "ambient" | "idle";
export type SpeakerKind = "player" | "npc" | "system";
export type Topic = "stats" | "npc" | "log";
export type Finish = "stop" | "length" | "cancelled" | "deadline" | "error";
export type Change = "spawned" | "despawned" | "forgotten" | "updated" | "spoke";
export type LogLevel = "warning" | "error" | "critical";

/** The first message of a client. */
export interface Hello {
  type: "hello";
  /** A string or an integer that the answers carry as 're'. */
  id?: number | string;
  /** The version of the protocol that the client speaks, 1. */
  protocol: number;
  /** Who is calling: {name, version, game}. */
  client: ClientInfo;
  /** The server's token, where it asks for one. */
  token?: string;
  /** A lost session to go on with: {session, last_seq}. */
  resume?: Resume;
}

/** An NPC exists in the game. The same `npc` tomorrow is the same mind. */
export interface NpcSpawn {
  type: "npc.spawn";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The NPC's id in the game, a string of 1 to 128 characters. */
  npc: string;
  /** The id of a persona that the server has loaded (1 to 128 characters). */
  persona: string;
  /** The world that the persona is in, where several are loaded (1 to 128 characters). */
  world?: string;
  /** Values for the persona's placeholders, all strings. */
  vars?: { [key: string]: string };
}

/** Park an NPC: it keeps everything and hears nothing. */
export interface NpcDespawn {
  type: "npc.despawn";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of an NPC that was spawned (1 to 128 characters). */
  npc: string;
}

/** Delete an NPC for good: what it remembers, its mood and all. The same `npc` is a new mind afterwards. */
export interface NpcForget {
  type: "npc.forget";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of an NPC that was spawned once (1 to 128 characters). */
  npc: string;
}

/** Tell an NPC how things are now. It knows them when it speaks next; they are no part of its history. */
export interface NpcUpdate {
  type: "npc.update";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of an NPC that was spawned (1 to 128 characters). */
  npc: string;
  /** The facts by name, such as 'place' or 'health'; others stay as they are, null takes one away (keys of 1 to 128 characters). */
  state?: { [key: string]: string | number | boolean | string[] | null };
  /** Its mood from now on, one of its persona's (1 to 128 characters). */
  mood?: string;
  /** How it stands to others, by their ids; others stay as they are, null takes one away (keys of 1 to 128 characters). */
  relationships?: { [key: string]: Relationship | null };
}

/** Ask which NPCs there are. */
export interface NpcList {
  type: "npc.list";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** True for spawned NPCs only, false for parked ones only. */
  active?: boolean;
}

/** Ask what an NPC remembers, feels and costs. */
export interface NpcInspect {
  type: "npc.inspect";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of an NPC that was spawned (1 to 128 characters). */
  npc: string;
}

/** Someone speaks to an NPC; a streamed reply follows. An `id` that was accepted is not generated twice. */
export interface Say {
  type: "say";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of the NPC that is spoken to (1 to 128 characters). */
  npc: string;
  /** Who speaks: {id, name, kind}. */
  speaker: Speaker;
  /** What is said, not empty (at least 1 character). */
  text: string;
  /** The ids of the other NPCs that hear the line and the answer. Default: []. */
  hearers?: string[];
  /** 'player', 'ambient' or 'idle': who is served first. Default: "player". */
  priority?: Priority;
  /** Milliseconds after which no answer is wanted (at least 1). */
  deadline_ms?: number;
  /** How long the answer may get, in tokens; 0: it says nothing and acts, or doesn't (at least 0). */
  max_tokens?: number;
  /** The names of the registered actions that it may take now, [] for none; all, if not given. */
  actions?: string[];
}

/** Something happens in front of NPCs. Silent: they remember it. Otherwise each of them reacts. */
export interface EventMessage {
  type: "event";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The ids of the NPCs that notice it, at least one (at least 1 entry). */
  hearers: string[];
  /** What happens, not empty (at least 1 character). */
  text: string;
  /** The game's word for this sort of event (1 to 128 characters). Default: "event". */
  kind?: string;
  /** How much it matters, from 0 to 1. Default: 0.5. */
  salience?: number;
  /** True: remember it; false: react to it. Default: true. */
  silent?: boolean;
  /** How long each reaction may get, in tokens; 0: they say nothing and act, or don't (at least 0). */
  max_tokens?: number;
}

/** The player walked away: stop what `target` asked for. */
export interface Cancel {
  type: "cancel";
  /** A string or an integer that the answers carry as 're'. */
  id?: number | string;
  /** The id of the earlier request that shall stop. */
  target: number | string;
}

/** Ask for a `pong`. */
export interface Ping {
  type: "ping";
  /** A string or an integer that the answers carry as 're'. */
  id?: number | string;
}

/** NPCs are likely to be spoken to soon: bring up what they have in mind. */
export interface Hint {
  type: "hint";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The ids of NPCs that are likely next, at least one (at least 1 entry). */
  npcs: string[];
  /** Milliseconds until then, 0 for any moment (at least 0). */
  eta_ms: number;
}

/** Change how much attention state may be kept in each tier, and how fast may be generated, for everyone. */
export interface Budget {
  type: "budget";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The most bytes on the compute device (at least 0). */
  device_bytes?: number;
  /** The most bytes in RAM (at least 0). */
  ram_bytes?: number;
  /** The most bytes on disk (at least 0). */
  disk_bytes?: number;
  /** The most tokens that all NPCs together say in a second, 0 for no limit (0 to 1000000.0). */
  tokens_per_second?: number;
}

/** NPCs can do these from now on, beside what was registered before. A name that is known is replaced. */
export interface ActionsRegister {
  type: "actions.register";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** Whose they are: {npc}, {persona} or {all: true}. */
  scope: Scope;
  /** The actions, at least one: {name, description, schema} (at least 1 entry). */
  actions: Action[];
}

/** NPCs can't do these any more. */
export interface ActionsUnregister {
  type: "actions.unregister";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** Whose they were: {npc}, {persona} or {all: true}. */
  scope: Scope;
  /** The names of actions, at least one (at least 1 entry). */
  actions: string[];
}

/** What came of an action; the NPC remembers it. */
export interface ActionResult {
  type: "action.result";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The call that 'reply.action' named (1 to 128 characters). */
  call: string;
  /** True: it was done; false: it failed. */
  ok: boolean;
  /** What came of it, for the NPC to read (at most 1024 characters). */
  message?: string;
}

/** Ask an NPC for a decision. It leaves no trace unless it shall be remembered. */
export interface Decide {
  type: "decide";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** The id of the NPC that decides (1 to 128 characters). */
  npc: string;
  /** What to decide, not empty (at least 1 character). */
  question: string;
  /** A JSON Schema that the answer fits. */
  schema: { [key: string]: Json };
  /** True: the NPC remembers the question and its answer. Default: false. */
  remember?: boolean;
}

/** Ask for `stats` once. */
export interface AskStats {
  type: "stats";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
}

/** Ask to be told about topics from now on, and about nothing else. */
export interface Subscribe {
  type: "subscribe";
  /** A string or an integer that the answers carry as 're'. */
  id: number | string;
  /** What to be told about, [] for nothing. */
  topics: Topic[];
}

/** The answer to `hello`: the session begins, or goes on. */
export interface Welcome {
  type: "welcome";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** The session's name. */
  session: string;
  /** The version of the protocol that the server speaks, 1. */
  protocol: number;
  /** The server's name and version. */
  server: string;
  /** What the client may ask for. */
  limits: Limits;
  /** The types of the messages that this server takes. */
  capabilities: string[];
  /** The name of the model that speaks for the NPCs. */
  model: string;
  /** True: the session goes on, and what was missed follows. Default: false. */
  resumed?: boolean;
  /** Milliseconds for which a session that lost its connection can be resumed, 0 for never. Default: 0. */
  resume_window_ms?: number;
  /** When a silent end is taken for gone. */
  heartbeat?: Heartbeat;
}

/** Done. */
export interface Ok {
  type: "ok";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
}

/** The answer to `ping`. */
export interface Pong {
  type: "pong";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
}

/** The answer to `npc.list`. */
export interface NpcListing {
  type: "npc.listing";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Every NPC that was asked for, by id. */
  npcs: NpcSummary[];
}

/** The answer to `npc.inspect`. */
export interface NpcInfo {
  type: "npc.info";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** The NPC's id in the game (1 to 128 characters). */
  npc: string;
  /** The id of its persona. */
  persona: string;
  /** What it is called. */
  name: string;
  /** False once it was despawned. */
  active: boolean;
  /** Its mood now. */
  mood: string;
  /** How it stands to others, by their ids. */
  relationships: { [key: string]: { [key: string]: Json } };
  /** The newest entries, oldest first. */
  journal: Remembered[];
  /** Tokens in each part of the prompt. */
  tokens: { [key: string]: number };
  /** What is kept of its attention state. */
  kv: KvUse;
}

/** The NPC begins to answer. What it answers is safely stored by now. */
export interface ReplyStart {
  type: "reply.start";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Who answers (1 to 128 characters). */
  npc: string;
}

/** The next piece of the answer. All pieces together are the answer. */
export interface ReplyDelta {
  type: "reply.delta";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Who answers (1 to 128 characters). */
  npc: string;
  /** The next piece. */
  text: string;
}

/** One whole sentence of the answer, for speech and chat bubbles. */
export interface ReplySentence {
  type: "reply.sentence";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Who answers (1 to 128 characters). */
  npc: string;
  /** The sentence. */
  text: string;
}

/** The NPC does something. The game does it and says with `action.result` what came of it. */
export interface ReplyAction {
  type: "reply.action";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Who acts (1 to 128 characters). */
  npc: string;
  /** Which of all calls this is, for 'action.result'. */
  call: string;
  /** The action's name (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`). */
  name: string;
  /** Its arguments, as its schema says. */
  args: { [key: string]: Json };
}

/** The answer is complete and remembered. With finish `cancelled`, `text` is what was said until then, and `usage`, `timings` and `mood` may be missing. */
export interface ReplyDone {
  type: "reply.done";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Who answered (1 to 128 characters). */
  npc: string;
  /** The whole answer. */
  text: string;
  /** Why it ended: it said all, was cut at its length, was cancelled; the others are reserved. */
  finish: Finish;
  /** Token counts. */
  usage?: Usage;
  /** Where the time went. */
  timings?: Timings;
  /** The NPC's mood now. */
  mood?: string;
}

/** The answer to `decide`. */
export interface Decided {
  type: "decided";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** The decision, as its schema says. */
  value: Json;
}

/** The oldest turns left the NPC's prompt; its journal keeps them. */
export interface MemoryCompacted {
  type: "memory.compacted";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Whose prompt it was (1 to 128 characters). */
  npc: string;
  /** Tokens in its prompt before. */
  tokens_before: number;
  /** And after. */
  tokens_after: number;
}

/** What the server has to do and what it keeps: the answer to `stats`, and what its subscribers get. */
export interface Stats {
  type: "stats";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Clients that are connected. */
  sessions: number;
  /** How many NPCs there are. */
  npcs: NpcCounts;
  /** What the engine does. */
  engine: EngineCounters;
  /** By name: device, ram, disk. */
  tiers: { [key: string]: TierUse };
}

/** What became of an NPC, whichever client caused it, and how it is now: what subscribers to `npc` get. A client that reads slowly gets only the newest change of each NPC. What an NPC said is not told here. */
export interface NpcChanged {
  type: "npc.changed";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** The NPC's id in the game (1 to 128 characters). */
  npc: string;
  /** It came, was parked, was deleted, was told how things are, or has spoken. */
  what: Change;
  /** The id of its persona. */
  persona: string;
  /** What it is called. */
  name: string;
  /** False once it was despawned or forgotten. */
  active: boolean;
  /** Its mood now. */
  mood: string;
}

/** Something went wrong in the server, for whoever looks after it: what subscribers to `log` get. */
export interface LogLine {
  type: "log";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** How bad it is. */
  level: LogLevel;
  /** The part of the server that says so. */
  logger: string;
  /** What it says, on one line, cut after 500 characters. */
  text: string;
  /** Seconds since 1970, UTC. */
  at: number;
}

/** What was asked for didn't happen. `path` leads into the request, to what was wrong with it. */
export interface ErrorMessage {
  type: "error";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** For programs; see the list of codes. */
  code: string;
  /** For people: what was wrong and what would be right. */
  message: string;
  /** Leads into the request to what was wrong, such as 'speaker.name' or 'hearers[2]'. */
  path?: string;
  /** Milliseconds after which it may work. */
  retry_after_ms?: number;
}

/** The last message of a session; the connection closes. */
export interface Bye {
  type: "bye";
  /** The id of the request that this answers. */
  re?: number | string;
  /** Its place in the session; the server's to set. */
  seq?: number;
  /** Why the session ends, for people. */
  reason: string;
}

/** Something that an NPC can do. The arguments that the game gets are as `schema` says, always. */
export interface Action {
  /** The action's name, such as 'give_item' (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`). */
  name: string;
  /** What it does and when to do it, for the NPC to read (1 to 1024 characters). */
  description: string;
  /** A JSON Schema of its arguments, an object; without one it takes none. */
  schema?: { [key: string]: Json };
}

/** Which game is at the other end; read by people in logs, never acted on. */
export interface ClientInfo {
  /** The client's name, such as 'my-mod' (1 to 128 characters). */
  name: string;
  /** The client's version (at most 128 characters). Default: "". */
  version?: string;
  /** The game it runs in (at most 128 characters). Default: "". */
  game?: string;
}

/** Requests to the engine that run and wait now, and what it did since it started. */
export interface EngineCounters {
  /** Requests that run now. */
  running: number;
  /** Requests that wait now. */
  waiting: number;
  /** Steps since the start. */
  steps: number;
  /** Tokens of all prompts since the start. */
  prompt_tokens: number;
  /** Of the prompt tokens, those that were already computed. */
  cached_tokens: number;
  /** Tokens that were generated since the start. */
  generated_tokens: number;
  /** How often one had to make room for another. */
  parked: number;
}

/** How the two ends know that the other is there: by WebSocket pings, which libraries answer by themselves. */
export interface Heartbeat {
  /** Milliseconds between two pings of the server. */
  interval_ms: number;
  /** Milliseconds without an answer after which a client is gone. */
  timeout_ms: number;
}

/** What is kept of an NPC's attention state, and where it is now. `tier` is the slowest one that some of it must come from, `none` where nothing is kept. */
export interface KvUse {
  /** How much is kept, in all tiers. */
  bytes: number;
  /** Device, ram, disk or none. */
  tier: string;
  /** Bytes in each tier: device, ram, disk. */
  tiers: { [key: string]: number };
  /** Tokens of the prompt that need not be computed again. */
  tokens: number;
}

/** All limits of a session. Beyond one of them is an error with a `limit_*` code; the session goes on. */
export interface Limits {
  /** The largest message, encoded (at least 1024). Default: 262144. */
  message_bytes?: number;
  /** The longest string in a message (at least 128). Default: 16384. */
  string_chars?: number;
  /** How deep maps and lists may be nested (at least 4). Default: 16. */
  depth?: number;
  /** The most entries of one map or list (at least 16). Default: 1024. */
  items?: number;
  /** Requests without a final answer yet (at least 1). Default: 64. */
  open_requests?: number;
  /** NPCs that one session has spawned and not despawned (at least 1). Default: 4096. */
  npcs?: number;
  /** Messages, sustained (at least 1). Default: 200. */
  messages_per_second?: number;
  /** Messages at once, after a quiet while (at least 1). Default: 1000. */
  message_burst?: number;
  /** Messages that may wait for a client that reads slowly (at least 8). Default: 1024. */
  queue_messages?: number;
  /** Bytes that may wait for it (at least 4096). Default: 1048576. */
  queue_bytes?: number;
  /** Messages that are kept for a client that comes back (at least 0). Default: 4096. */
  resume_messages?: number;
  /** Bytes that are kept for it (at least 0). Default: 4194304. */
  resume_bytes?: number;
}

/** NPCs that the server knows; of them those in the game, those awake in memory, and those speaking right now. */
export interface NpcCounts {
  /** All that were ever spawned and not forgotten. */
  known: number;
  /** Those in the game. */
  active: number;
  /** Those in memory. */
  awake: number;
  /** Those that speak right now. */
  speaking: number;
}

/** One line about an NPC. */
export interface NpcSummary {
  /** The NPC's id in the game (1 to 128 characters). */
  npc: string;
  /** The id of its persona. */
  persona: string;
  /** What it is called. */
  name: string;
  /** False once it was despawned. */
  active: boolean;
}

/** How an NPC stands to another or to a player. What is left out stays as it is. */
export interface Relationship {
  /** From -5, a sworn enemy, to 5, would die for (-5 to 5). */
  trust?: number;
  /** Why, in a few words that follow the name (at most 256 characters). */
  note?: string;
}

/** One journal entry. */
export interface Remembered {
  /** Who spoke, by name. */
  speaker: string;
  /** What was said or happened. */
  text: string;
  /** Seconds since 1970, UTC. */
  at: number;
}

/** A session that lost its connection, and how much of it arrived. */
export interface Resume {
  /** The session's name, as 'welcome' said it (1 to 128 characters). */
  session: string;
  /** The largest 'seq' that the client has seen, 0 for none (at least 0). */
  last_seq: number;
}

/** Whom actions are for: one NPC, all of one persona, or all. Names exactly one of them. */
export interface Scope {
  /** The id of one NPC (1 to 128 characters). */
  npc?: string;
  /** The id of a persona: all NPCs that have it (1 to 128 characters). */
  persona?: string;
  /** True: all NPCs. */
  all?: boolean;
}

/** Who speaks. */
export interface Speaker {
  /** The speaker's id in the game, a string of 1 to 128 characters. */
  id: string;
  /** What the NPC hears the speaker called; the id, if not given (1 to 128 characters). */
  name?: string;
  /** 'player', 'npc' or 'system'. Default: "player". */
  kind?: SpeakerKind;
}

/** Bytes of attention state in a tier, and the most there may be. */
export interface TierUse {
  /** Bytes that are taken. */
  used: number;
  /** The most there may be. */
  budget: number;
}

/** Where the time went, in seconds. */
export interface Timings {
  /** Until it was its turn. */
  queue: number;
  /** To bring up what was kept of its attention state. */
  restore: number;
  /** To read the rest of the prompt. */
  prefill: number;
  /** From the request to the first token. */
  first_token: number;
  /** From the request to the end. */
  total: number;
}

/** Token counts: in the prompt, those of it that were already computed, and generated. */
export interface Usage {
  /** Tokens in the prompt. */
  prompt_tokens: number;
  /** Those of them that were already computed. */
  cached_tokens: number;
  /** Tokens that were generated. */
  completion_tokens: number;
}

/** What a client sends. */
export type ClientMessage =
  | Hello
  | NpcSpawn
  | NpcDespawn
  | NpcForget
  | NpcUpdate
  | NpcList
  | NpcInspect
  | Say
  | EventMessage
  | Cancel
  | Ping
  | Hint
  | Budget
  | ActionsRegister
  | ActionsUnregister
  | ActionResult
  | Decide
  | AskStats
  | Subscribe;

/** What a server sends. */
export type ServerMessage =
  | Welcome
  | Ok
  | Pong
  | NpcListing
  | NpcInfo
  | ReplyStart
  | ReplyDelta
  | ReplySentence
  | ReplyAction
  | ReplyDone
  | Decided
  | MemoryCompacted
  | Stats
  | NpcChanged
  | LogLine
  | ErrorMessage
  | Bye;
