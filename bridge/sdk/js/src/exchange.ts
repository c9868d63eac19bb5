/** One request and the answers that it has got so far. */

import { NpcError } from "./errors.js";
import type { ClientMessage, RequestId, ServerMessage } from "./protocol.js";

/** A request that is answered: all but a `hello`. */
export type Request = Exclude<ClientMessage, { type: "hello" }> & { id: RequestId };

/** A request and its answers, in order. Many may read it at once, each from the beginning. */
export class Exchange {
  /** Whether it went over a connection: the server may know of it. */
  sent = false;
  readonly #answers: ServerMessage[] = [];
  #ended = false;
  #error: NpcError | undefined;
  #changed = gate();

  constructor(readonly request: Request) {}

  /** Whether there are no more answers to come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Add an answer. An `error` is always the last. */
  receive(answer: ServerMessage): void {
    if (this.#ended) return;
    if (answer.type === "error") {
      this.fail(NpcError.of(answer));
      return;
    }
    this.#answers.push(answer);
    this.#ended = isLast(this.request, answer);
    this.#wake();
  }

  /** There will be no further answer, because of `error`. */
  fail(error: NpcError): void {
    if (this.#ended) return;
    this.#error = error;
    this.#ended = true;
    this.#wake();
  }

  /** All answers as they come. Throws what `fail` was told, at the end. */
  async *answers(): AsyncGenerator<ServerMessage, void> {
    for (let index = 0; ; ) {
      for (let answer = this.#answers[index]; answer !== undefined; answer = this.#answers[++index]) yield answer;
      if (this.#ended) break;
      await this.#changed.promise;
    }
    if (this.#error !== undefined) throw this.#error;
  }

  /** The last answer, once it is there. Rejects with NpcError instead of it. */
  async last(): Promise<ServerMessage> {
    while (!this.#ended) await this.#changed.promise;
    if (this.#error !== undefined) throw this.#error;
    return this.#answers.at(-1) as ServerMessage;
  }

  #wake(): void {
    // A fresh gate for the next change: whoever waits at this one passes exactly once.
    const { open } = this.#changed;
    this.#changed = gate();
    open();
  }
}

/** Whether `answer` is the last one to `request`. */
export function isLast(request: Request, answer: ServerMessage): boolean {
  if (answer.type === "error" || answer.type === "ok") return true;
  return request.type === "say" ? answer.type === "reply.done" : !answer.type.startsWith("reply.");
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}
