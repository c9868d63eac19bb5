/** What NPCs say to an event. */

import type { Exchange } from "./exchange.js";
import type { ReplyDone } from "./protocol.js";
import { parts, type ReplyPart } from "./reply.js";

/**
 * Iterate it for pieces, sentences and ends of all reactions; `npc` tells whose. Await it for all replies. A silent
 * event has none; awaiting it returns once the event is remembered.
 */
export class Reactions implements AsyncIterable<ReplyPart>, PromiseLike<ReplyDone[]> {
  constructor(
    private readonly exchange: Exchange,
    private readonly stop: () => void,
  ) {}

  [Symbol.asyncIterator](): AsyncGenerator<ReplyPart, void> {
    return parts(this.exchange);
  }

  /** All reactions, complete. Rejects with NpcError. */
  async done(): Promise<ReplyDone[]> {
    const replies: ReplyDone[] = [];
    for await (const part of this) if (part.type === "reply.done") replies.push(part);
    return replies;
  }

  then<A = ReplyDone[], B = never>(
    done?: ((value: ReplyDone[]) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.done().then(done, failed);
  }

  /** Stop all reactions. Awaiting them rejects with NpcError `cancelled` then. */
  cancel(): void {
    if (!this.exchange.ended) this.stop();
  }
}
