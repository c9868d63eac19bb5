/** The Minecraft server's process, seen from outside: orders for it, and what it reports. */

import { fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";

import { end } from "./child.js";

const STARTS_WITHIN_MS = 60_000;

/** Emits `heard`, `whispered` (for mobs) and `clicked`. */
export class Minecraft extends EventEmitter {
  #orders = new Map();
  #count = 0;

  constructor(child) {
    super();
    this.child = child;
    child.on("message", (message) => this.#receive(message));
    child.on("exit", () => this.#fail());
  }

  /** `port` 0 picks a free one. */
  static async start({ host = "127.0.0.1", port = 25565 } = {}) {
    const main = fileURLToPath(new URL("server/main.js", import.meta.url));
    const child = fork(main, [String(port), host], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const minecraft = new Minecraft(child);
    try {
      const [ready] = await once(minecraft, "ready", { signal: AbortSignal.timeout(STARTS_WITHIN_MS) });
      minecraft.port = ready.port;
      minecraft.host = host;
    } catch (error) {
      await end(child);
      throw new Error("The Minecraft server did not start.", { cause: error });
    }
    return minecraft;
  }

  /** Have something done. Resolves with what came of it, rejects with why it can't be done. */
  order(type, order) {
    return new Promise((resolve, reject) => {
      const number = ++this.#count;
      if (!this.child.connected) reject(new Error("The Minecraft server is gone."));
      this.#orders.set(number, { resolve, reject });
      this.child.send({ number, type, ...order }, (error) => error && reject(error));
    });
  }

  end() {
    return end(this.child);
  }

  #receive({ type, number, value, error, ...report }) {
    if (type !== "done") {
      this.emit(type, report);
      return;
    }
    const { resolve, reject } = this.#orders.get(number);
    this.#orders.delete(number);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  }

  #fail() {
    for (const { reject } of this.#orders.values()) reject(new Error("The Minecraft server is gone."));
    this.#orders.clear();
  }
}
