/** A wire between a client and a server that can be cut, as networks are. */

import { once } from "node:events";
import { type AddressInfo, createServer, connect, type Server, type Socket } from "node:net";

export class Wire {
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async to(url: string): Promise<Wire> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const wire = new Wire(server, `ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("connection", (near) => wire.#join(near, connect(Number(new URL(url).port), "127.0.0.1")));
    return wire;
  }

  /** End all connections without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.server.close();
    this.cut();
    await once(this.server, "close");
  }

  #join(near: Socket, far: Socket): void {
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
