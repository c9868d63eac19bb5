/** The client: requests, their answers, and a connection that comes back. */

import { type Actions, outcome, specs } from "./actions.js";
import { type Backoff, DEFAULT_BACKOFF, waitMs } from "./backoff.js";
import { CODECS, type Codec, frameBytes } from "./codec.js";
import { ConnectionLost, NpcError, ServerUnreachable } from "./errors.js";
import { Exchange, type Request } from "./exchange.js";
import { Handlers } from "./handlers.js";
import { type Ending, Link } from "./link.js";
import { Listeners } from "./listeners.js";
import { Npc } from "./npc.js";
import {
  type ClientMessage, type Decided, type Hello, type Json, type LogLine, type MemoryCompacted, type NpcChanged, type NpcInfo,
  type NpcListing, type NpcSpawn, type NpcSummary, type NpcUpdate, type Priority, type ReplyAction, type RequestId,
  type Scope, type ServerMessage, type Speaker, type Stats, type Topic, VERSION, type Welcome,
} from "./protocol.js";
import { Reactions } from "./reactions.js";
import { Reply } from "./reply.js";
import type { OpenSocket } from "./socket.js";

export const DEFAULT_URL = "ws://127.0.0.1:8765";

// What is told once and no more: doing it twice would leave something behind.
const ONCE: ReadonlySet<string> = new Set([
  "say", "event", "action.result", "decide", "remember", "npc.create", "scene.start", "scene.interject",
]);

// Messages that answer no request and have listeners of their own.
const TOLD: ReadonlySet<string> = new Set(["memory.compacted", "stats", "npc.changed", "log"]);

// Close codes after which there is nothing to come back to: a wrong token, and another connection that took over.
const FINAL: ReadonlySet<number> = new Set([1008, 4001]);

export interface ClientOptions {
  /** The server's token, if it has one. */
  token?: string;
  /** Who is calling, for the server's log. */
  name?: string;
  version?: string;
  game?: string;
  format?: keyof typeof CODECS;
  /** How long connecting may take. Requests take as long as they take. */
  timeoutMs?: number;
  /** How to come back when the connection is lost; false: not at all. */
  reconnect?: Partial<Backoff> | false;
}

export interface SayOptions {
  /** Ids of other spawned NPCs that hear the line and the answer. */
  hearers?: string[];
  priority?: Priority;
  deadlineMs?: number;
  /** 0: no words; it acts, or doesn't. */
  maxTokens?: number;
  /** Names of the actions that the NPC may take now; all, if not given. */
  actions?: string[];
  /** Aborting it cancels the reply, which then ends with finish `cancelled` and what was said until then. */
  signal?: AbortSignal;
}

export interface EventOptions {
  kind?: string;
  salience?: number;
  /** False: each hearer reacts. */
  silent?: boolean;
  /** 0: without words. */
  maxTokens?: number;
  signal?: AbortSignal;
}

export type ClientEvents = {
  /** An NPC's oldest lines left its prompt. */
  "memory.compacted": MemoryCompacted;
  /** Of the topic `stats`: what the server has to do and what it keeps, about once a second. */
  stats: Stats;
  /** Of the topic `npc`: what became of an NPC, whichever client caused it, and how it is now. */
  "npc.changed": NpcChanged;
  /** Of the topic `log`: a warning or an error of the server. */
  log: LogLine;
  /** Any message that answers no request of ours, those above included. */
  message: ServerMessage;
  /** The connection was lost; the client tries to come back. */
  disconnected: Ending;
  /** It is back. `resumed` false: the server began a new session, and what it was told before was told again. */
  reconnected: { resumed: boolean };
  /** It is over, for this reason. */
  closed: { reason: string };
};

/**
 * A connection to an NPC Engine server. Many requests may run over it at once. Methods reject with NpcError when the
 * server refuses or fails a request, and with ConnectionLost when it is gone and does not come back.
 */
export class Client {
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #handlers = new Handlers();
  readonly #exchanges = new Map<RequestId, Exchange>();
  readonly #spawned = new Map<string, NpcSpawn>();
  #topics: Topic[] = [];
  #nextId = 1;
  #lastSeq = 0;
  #link: Link | undefined;
  #welcome: Welcome | undefined;
  #lost: ConnectionLost | undefined;
  #stopWaiting = (): void => {};

  private constructor(
    private readonly opener: OpenSocket,
    readonly url: string,
    private readonly options: ClientOptions,
    private readonly codec: Codec,
  ) {}

  /** What `connect` of the build for Node or for browsers calls. */
  static async connect(opener: OpenSocket, url: string, options: ClientOptions): Promise<Client> {
    const client = new Client(opener, url, options, CODECS[options.format ?? "msgpack"]);
    const { link, welcome } = await client.#open();
    client.#use(link, welcome);
    return client;
  }

  /** What the server said when it let this client in: its limits, its model, the session. */
  get welcome(): Welcome {
    return this.#welcome as Welcome;
  }

  /** Call `listener` with every event of that type. What is returned stops it. */
  on<T extends keyof ClientEvents>(type: T, listener: (event: ClientEvents[T]) => void): () => void {
    return this.#listeners.on(type, listener);
  }

  /** Leave for good. The server cancels what is still running. Safe to repeat. */
  close(): void {
    this.#lose("this client was closed");
  }

  /** Bring an NPC into the game, with what it remembers. Spawning twice is harmless. */
  async spawn(npc: string, what: { persona: string; world?: string; vars?: Record<string, string> }): Promise<Npc> {
    const request: NpcSpawn = { type: "npc.spawn", id: this.#id(), npc, ...what };
    await this.#ask(request);
    this.#spawned.set(npc, request);
    return new Npc(this, npc);
  }

  /** Park an NPC: it keeps everything and hears nothing. */
  async despawn(npc: string): Promise<void> {
    await this.#ask({ type: "npc.despawn", id: this.#id(), npc });
    this.#spawned.delete(npc);
  }

  /** Delete an NPC for good. */
  async forget(npc: string): Promise<void> {
    await this.#ask({ type: "npc.forget", id: this.#id(), npc });
    this.#spawned.delete(npc);
  }

  /** Tell an NPC how things are now. */
  async update(npc: string, what: Pick<NpcUpdate, "state" | "mood" | "relationships">): Promise<void> {
    await this.#ask({ type: "npc.update", id: this.#id(), npc, ...what });
  }

  /** The NPCs that the server knows; only spawned or only parked ones if `active` says so. */
  async list(active?: boolean): Promise<NpcSummary[]> {
    return ((await this.#ask({ type: "npc.list", id: this.#id(), active })) as NpcListing).npcs;
  }

  /** What an NPC remembers, feels and costs. */
  async inspect(npc: string): Promise<NpcInfo> {
    return (await this.#ask({ type: "npc.inspect", id: this.#id(), npc })) as NpcInfo;
  }

  /** `speaker` says `text` to `npc`, and its reply streams. A speaker that is a string is id and name in one. */
  say(npc: string, speaker: Speaker | string, text: string, options: SayOptions = {}): Reply {
    const { hearers, priority, deadlineMs: deadline_ms, maxTokens: max_tokens, actions, signal } = options;
    const request: Request = {
      type: "say", id: this.#id(), npc, speaker: typeof speaker === "string" ? { id: speaker } : speaker, text,
      hearers, priority, deadline_ms, max_tokens, actions,
    };
    return new Reply(this.#start(request, signal), () => this.#cancel(request.id));
  }

  /** Something happens in front of `hearers`. Unless it is silent, what is returned has their reactions. */
  event(hearers: string[], text: string, { signal, maxTokens: max_tokens, ...how }: EventOptions = {}): Reactions {
    const request: Request = { type: "event", id: this.#id(), hearers, text, max_tokens, ...how };
    return new Reactions(this.#start(request, signal), () => this.#cancel(request.id));
  }

  /**
   * What NPCs of `scope` can do from now on, and what runs when they do; everyone, unless it says otherwise. What `run`
   * returns or throws is told to the NPC.
   */
  async actions(actions: Actions, scope: Scope = { all: true }): Promise<void> {
    this.#handlers.add(scope, actions);
    await this.#ask({ type: "actions.register", id: this.#id(), scope, actions: specs(actions) });
  }

  /** NPCs of `scope` can't do these any more. */
  async removeActions(names: string[], scope: Scope = { all: true }): Promise<void> {
    await this.#ask({ type: "actions.unregister", id: this.#id(), scope, actions: names });
    this.#handlers.remove(scope, names);
  }

  /** Ask an NPC for a decision that fits the JSON Schema `schema`. It leaves no trace unless `remember` says so. */
  async decide(npc: string, question: string, schema: { [key: string]: Json }, remember = false): Promise<Json> {
    return ((await this.#ask({ type: "decide", id: this.#id(), npc, question, schema, remember })) as Decided).value;
  }

  /** These are likely to be spoken to in so many milliseconds: their answers will begin sooner. */
  async hint(npcs: string[], etaMs = 0): Promise<void> {
    await this.#ask({ type: "hint", id: this.#id(), npcs, eta_ms: etaMs });
  }

  /**
   * Change what the server may take, from now on and for everyone: bytes of attention state in each tier, and tokens
   * that all NPCs together say in a second (0 for no limit).
   */
  async budget(most: { device?: number; ram?: number; disk?: number; tokensPerSecond?: number }): Promise<void> {
    const { device: device_bytes, ram: ram_bytes, disk: disk_bytes, tokensPerSecond: tokens_per_second } = most;
    await this.#ask({ type: "budget", id: this.#id(), device_bytes, ram_bytes, disk_bytes, tokens_per_second });
  }

  /** What the server has to do and what it keeps. */
  async stats(): Promise<Stats> {
    return (await this.#ask({ type: "stats", id: this.#id() })) as Stats;
  }

  /** Be told about these topics from now on, and about no others: `client.on("stats", ...)`, `"npc.changed"`, `"log"`. */
  async subscribe(...topics: Topic[]): Promise<void> {
    await this.#ask({ type: "subscribe", id: this.#id(), topics });
    this.#topics = topics;
  }

  /** Milliseconds that the server takes to answer. */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.#ask({ type: "ping", id: this.#id() });
    return performance.now() - start;
  }

  /** Send a request that has no method here, with all but its `id`, and wait for its last answer. */
  async ask(request: { type: string; [field: string]: unknown }): Promise<ServerMessage> {
    return this.#ask({ ...request, id: this.#id() } as unknown as Request);
  }

  #id(): number {
    return this.#nextId++;
  }

  #ask(request: Request): Promise<ServerMessage> {
    return this.#start(request).last();
  }

  #start(request: Request, signal?: AbortSignal): Exchange {
    const exchange = new Exchange(request);
    if (this.#lost !== undefined) {
      exchange.fail(this.#lost);
      return exchange;
    }
    if (signal?.aborted) {
      exchange.fail(new NpcError("cancelled", "It was aborted before it was sent."));
      return exchange;
    }
    this.#exchanges.set(request.id, exchange);
    if (signal !== undefined) cancelWith(signal, exchange, () => this.#cancel(request.id));
    this.#send(exchange);
    return exchange;
  }

  #send(exchange: Exchange): void {
    if (this.#link === undefined) return; // it is sent once the connection is back
    try {
      this.#link.send(this.#encode(exchange.request));
      exchange.sent = true;
    } catch (error) {
      this.#exchanges.delete(exchange.request.id);
      exchange.fail(error as NpcError);
    }
  }

  /** Throws NpcError where the server would send an error without being able to say to what. */
  #encode(message: ClientMessage): ReturnType<Codec["encode"]> {
    const frame = this.codec.encode(message);
    const limit = this.welcome.limits.message_bytes ?? Infinity;
    const size = frameBytes(frame);
    if (size > limit) throw new NpcError("limit_size", `The message has ${size} bytes; the server takes at most ${limit}.`);
    return frame;
  }

  #cancel(target: RequestId): void {
    const exchange = this.#exchanges.get(target);
    if (exchange === undefined) return;
    if (exchange.sent) {
      this.#start({ type: "cancel", id: this.#id(), target });
    } else {
      this.#exchanges.delete(target);
      exchange.fail(new NpcError("cancelled", "It was cancelled before it was sent."));
    }
  }

  #receive(message: ServerMessage): void {
    if (message.seq !== undefined && message.seq !== null) {
      if (message.seq <= this.#lastSeq) return; // it came before the connection was lost
      this.#lastSeq = message.seq;
    }
    if (message.type === "reply.action") void this.#act(message);
    const exchange = message.re === undefined ? undefined : this.#exchanges.get(message.re);
    if (exchange !== undefined) {
      exchange.receive(message);
      if (exchange.ended) this.#exchanges.delete(exchange.request.id);
    } else if (message.re === undefined) {
      if (TOLD.has(message.type)) this.#listeners.tell(message.type as keyof ClientEvents, message as never);
      this.#listeners.tell("message", message);
    }
  }

  async #act(call: ReplyAction): Promise<void> {
    const action = this.#handlers.find(call.name, call.npc, this.#spawned.get(call.npc)?.persona);
    if (action === undefined) return; // another client's
    const result = await outcome(action, call);
    try {
      await this.#ask({ type: "action.result", id: this.#id(), call: call.call, ...result });
    } catch (error) {
      if (!(error instanceof ConnectionLost)) console.error(`npc-engine: the result of '${call.name}' was refused:`, error);
    }
  }

  #open(): Promise<{ link: Link; welcome: Welcome }> {
    const { token, name = "javascript", version, game, timeoutMs = 10_000 } = this.options;
    const hello: Hello = { type: "hello", id: 0, protocol: VERSION, client: clientInfo(name, version, game) };
    if (token !== undefined) hello.token = token;
    if (this.#welcome !== undefined) hello.resume = { session: this.#welcome.session, last_seq: this.#lastSeq };
    return Link.open({ open: this.opener, url: this.url, codec: this.codec, hello, timeoutMs });
  }

  #use(link: Link, welcome: Welcome): void {
    this.#link = link;
    this.#welcome = welcome;
    if (!welcome.resumed) this.#lastSeq = welcome.seq ?? 0;
    link.onmessage = (message) => this.#receive(message);
    link.onend = (ending) => void this.#comeBack(ending);
  }

  async #comeBack(ending: Ending): Promise<void> {
    this.#link = undefined;
    if (this.options.reconnect === false || FINAL.has(ending.code)) {
      this.#lose(ending.reason);
      return;
    }
    this.#listeners.tell("disconnected", ending);
    const backoff = { ...DEFAULT_BACKOFF, ...this.options.reconnect };
    const since = performance.now();
    for (let attempt = 0; this.#lost === undefined; attempt++) {
      await this.#wait(waitMs(attempt, backoff));
      if (this.#lost !== undefined) return;
      try {
        const { link, welcome } = await this.#open();
        if (this.#lost === undefined) this.#goOn(link, welcome);
        else link.close();
        return;
      } catch (error) {
        const gone = performance.now() - since > backoff.giveUpMs;
        if (gone || !mayPass(error)) this.#lose((error as Error).message);
      }
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stopWaiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #goOn(link: Link, welcome: Welcome): void {
    const open = [...this.#exchanges.values()];
    this.#use(link, welcome);
    if (welcome.resumed) {
      // What was missed comes first, then the answer to this: by then it is known which requests have no last answer.
      // The server knows those that it has got by their ids, so sending them again is safe.
      void this.ping().then(() => this.#sendAgain(open), () => {});
    } else {
      this.#introduce();
      this.#sendAgain(open.filter((exchange) => !this.#mayHaveBeenHeard(exchange)));
    }
    this.#listeners.tell("reconnected", { resumed: welcome.resumed === true });
  }

  #sendAgain(open: Exchange[]): void {
    for (const exchange of open) if (!exchange.ended) this.#send(exchange);
  }

  /** Fail what the earlier session may have taken and must not be told again. */
  #mayHaveBeenHeard(exchange: Exchange): boolean {
    if (!exchange.sent || !ONCE.has(exchange.request.type)) return false;
    this.#exchanges.delete(exchange.request.id);
    exchange.fail(new ConnectionLost(`The connection to ${this.url} was lost; the NPC may have heard this or not.`));
    return true;
  }

  /** Tell a new session what the last one knew. */
  #introduce(): void {
    for (const spawn of this.#spawned.values()) this.#retell({ ...spawn, id: this.#id() });
    for (const { scope, actions } of this.#handlers.all()) {
      this.#retell({ type: "actions.register", id: this.#id(), scope, actions: specs(actions) });
    }
    if (this.#topics.length > 0) this.#retell({ type: "subscribe", id: this.#id(), topics: this.#topics });
  }

  #retell(request: Request): void {
    this.#ask(request).catch((error: NpcError) => {
      if (!(error instanceof ConnectionLost)) console.error(`npc-engine: '${request.type}' was refused on return:`, error);
    });
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLost(`The connection to ${this.url} ended: ${reason}.`);
    this.#link?.close();
    this.#link = undefined;
    this.#stopWaiting();
    for (const exchange of this.#exchanges.values()) exchange.fail(this.#lost);
    this.#exchanges.clear();
    this.#listeners.tell("closed", { reason });
  }
}

/** Call `cancel` when `signal` is aborted, until `exchange` ends: a signal may outlive many requests. */
function cancelWith(signal: AbortSignal, exchange: Exchange, cancel: () => void): void {
  const forget = (): void => signal.removeEventListener("abort", cancel);
  signal.addEventListener("abort", cancel, { once: true });
  exchange.last().then(forget, forget);
}

/** Whether trying again may help. */
function mayPass(error: unknown): boolean {
  return error instanceof ServerUnreachable || (error instanceof NpcError && error.code === "overloaded");
}

function clientInfo(name: string, version: string | undefined, game: string | undefined): Hello["client"] {
  return { name, ...(version === undefined ? {} : { version }), ...(game === undefined ? {} : { game }) };
}
