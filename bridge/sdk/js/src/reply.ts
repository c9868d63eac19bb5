/** An NPC's answer, as it comes. */

import type { Exchange } from "./exchange.js";
import type { ReplyAction, ReplyDelta, ReplyDone, ReplySentence } from "./protocol.js";

export type ReplyPart = ReplyDelta | ReplySentence | ReplyAction | ReplyDone;

/**
 * Iterate it for pieces of text, or await it for the whole:
 *
 *     for await (const piece of reply) process.stdout.write(piece);
 *     const done = await reply;
 *
 * The line was sent when the reply was made; leaving the loop early doesn't stop the NPC, `cancel` does.
 */
export class Reply implements AsyncIterable<string>, PromiseLike<ReplyDone> {
  constructor(
    private readonly exchange: Exchange,
    private readonly stop: () => void,
  ) {}

  /** Pieces of text. Throws NpcError. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    for await (const answer of this.exchange.answers()) if (answer.type === "reply.delta") yield answer.text;
  }

  /** Whole sentences, for speech and chat bubbles. Throws NpcError. */
  async *sentences(): AsyncGenerator<string, void> {
    for await (const answer of this.exchange.answers()) if (answer.type === "reply.sentence") yield answer.text;
  }

  /** Pieces, sentences, actions and the end, as they come. Throws NpcError. */
  parts(): AsyncGenerator<ReplyPart, void> {
    return parts(this.exchange);
  }

  /** The complete reply, with usage and timings. Rejects with NpcError. */
  async done(): Promise<ReplyDone> {
    return (await this.exchange.last()) as ReplyDone;
  }

  then<A = ReplyDone, B = never>(
    done?: ((value: ReplyDone) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.done().then(done, failed);
  }

  /** Whether the reply is complete, failed or cancelled. */
  get ended(): boolean {
    return this.exchange.ended;
  }

  /** Stop the NPC. The reply ends soon, with finish `cancelled` and what was said until then. */
  cancel(): void {
    if (!this.ended) this.stop();
  }
}

export async function* parts(exchange: Exchange): AsyncGenerator<ReplyPart, void> {
  for await (const answer of exchange.answers()) {
    if (answer.type.startsWith("reply.") && answer.type !== "reply.start") yield answer as ReplyPart;
  }
}
