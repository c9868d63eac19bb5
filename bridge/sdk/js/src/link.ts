/** One connection, from the greeting to the close. What outlives it is the client's. */

import type { Codec, Frame } from "./codec.js";
import { NpcError, ServerUnreachable } from "./errors.js";
import type { Hello, ServerMessage, Welcome } from "./protocol.js";
import type { OpenSocket, Socket } from "./socket.js";

/** Why a connection ended: the code of WebSocket, and the best account that there is. */
export interface Ending {
  code: number;
  reason: string;
}

export interface LinkOptions {
  open: OpenSocket;
  url: string;
  codec: Codec;
  hello: Hello;
  timeoutMs: number;
}

export class Link {
  onmessage: (message: ServerMessage) => void = () => {};
  onend: (ending: Ending) => void = () => {};
  #ending: Ending | undefined;
  #bye = "";

  private constructor(
    private readonly socket: Socket,
    private readonly codec: Codec,
  ) {}

  /** Connect and say hello. Rejects with ServerUnreachable, or with NpcError if the server doesn't let us in. */
  static open({ open, url, codec, hello, timeoutMs }: LinkOptions): Promise<{ link: Link; welcome: Welcome }> {
    return new Promise((resolve, reject) => {
      const socket = begin(open, url, codec);
      const link = new Link(socket, codec);
      let problem = "";
      const fail = (error: Error): void => {
        clearTimeout(timer);
        link.close();
        reject(error);
      };
      const timer = setTimeout(() => {
        fail(new ServerUnreachable(`${url} doesn't answer within ${timeoutMs / 1000} seconds. Is it an NPC Engine?`));
      }, timeoutMs);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => socket.send(codec.encode(hello));
      socket.onerror = (event) => {
        problem = event.message ? ` (${event.message})` : "";
      };
      socket.onclose = (event) => {
        fail(new ServerUnreachable(`No NPC Engine answers at ${url}${problem || close(event)}. Start one with \`npc-engine serve\`.`));
      };
      socket.onmessage = ({ data }) => {
        try {
          const answer = codec.decode(data);
          if (answer.type === "error") throw NpcError.of(answer);
          if (answer.type !== "welcome") throw new ServerUnreachable(`What listens at ${url} is no NPC Engine.`);
          clearTimeout(timer);
          link.#listen();
          resolve({ link, welcome: answer });
        } catch (error) {
          fail(error as Error);
        }
      };
    });
  }

  send(frame: Frame): void {
    if (this.#ending === undefined) this.socket.send(frame);
  }

  /** Leave. `onend` is not called. */
  close(): void {
    this.onend = () => {};
    this.onmessage = () => {};
    this.#ending ??= { code: 1000, reason: "closed" };
    this.socket.close();
  }

  #listen(): void {
    const { socket } = this;
    socket.onerror = () => {};
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#end({ code, reason: this.#bye || reason || `code ${code}` });
  }

  #receive(data: string | ArrayBuffer): void {
    let message: ServerMessage;
    try {
      message = this.codec.decode(data);
    } catch (error) {
      this.#end({ code: 1002, reason: (error as NpcError).message });
      this.socket.close();
      return;
    }
    if (message.type === "bye") this.#bye = message.reason;
    this.onmessage(message);
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.onend(ending);
  }
}

function begin(open: OpenSocket, url: string, codec: Codec): Socket {
  try {
    return open(url, codec.subprotocol);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ServerUnreachable(`'${url}' is no address. Write it as ws://127.0.0.1:8765.`);
  }
}

function close({ code, reason }: { code: number; reason: string }): string {
  return ` (closed with ${code}${reason && `, ${reason}`})`;
}
