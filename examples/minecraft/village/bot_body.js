/** A body that is a player of the game: a bot, which sees, hears and does what a player can. */

import { once } from "node:events";

import mineflayer from "mineflayer";
import { Vec3 } from "vec3";

import { read } from "./chat.js";

const JOINS_WITHIN_MS = 30_000;
const ARRIVED = 0.6; // blocks
const EYES = 1.6;
const TICK_MS = 50;
const WALKS_WITHIN_MS = 60_000;

export class BotBody {
  /** Called with `(speaker, text, distance)` for what is said near, and with `(speaker, text)` for what is whispered. */
  onheard = () => {};
  onwhispered = () => {};
  #walk = new AbortController();

  constructor(name, bot, minecraft) {
    this.name = name;
    this.bot = bot;
    this.minecraft = minecraft;
    bot.on("messagestr", (line) => this.#receive(read(line)));
    bot.on("error", (error) => console.error(`${this.name}: ${error.message}`));
  }

  static async join(name, minecraft) {
    const { host, port } = minecraft;
    const bot = mineflayer.createBot({ host, port, username: name, auth: "offline", version: "1.20.1" });
    const body = new BotBody(name, bot, minecraft);
    await once(bot, "spawn", { signal: AbortSignal.timeout(JOINS_WITHIN_MS) });
    return body;
  }

  get position() {
    const { x, y, z } = this.bot.entity.position;
    return { x, y, z };
  }

  /** Where a player is, as far as this body can see; undefined if it can't. */
  see(player) {
    return this.bot.players[player]?.entity?.position;
  }

  say(text) {
    this.bot.chat(text);
  }

  whisper(player, text) {
    this.bot.chat(`/tell ${player} ${text}`);
  }

  async look({ x, y, z }) {
    await this.bot.lookAt(new Vec3(x, y + EYES, z), true);
  }

  /** Walk there. Resolves once it has arrived; rejects if it can't, or if it is sent elsewhere meanwhile. */
  async walk(to) {
    this.#walk.abort();
    const { signal } = (this.#walk = new AbortController());
    const start = Date.now();
    try {
      while (distance(this.position, to) > ARRIVED) {
        if (signal.aborted) throw new Error("It was called elsewhere.");
        if (Date.now() - start > WALKS_WITHIN_MS) throw new Error("It could not get there.");
        await this.bot.lookAt(new Vec3(to.x, this.bot.entity.position.y + EYES, to.z), true);
        this.bot.setControlState("forward", true);
        this.bot.setControlState("jump", this.bot.entity.isCollidedHorizontally);
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
    } finally {
      if (!signal.aborted) this.bot.clearControlStates();
    }
  }

  async give(item, player) {
    this.bot.swingArm();
    await this.minecraft.order("throw", { from: this.name, item, player });
  }

  async emote(gesture) {
    const { yaw, pitch } = this.bot.entity;
    const bow = (angle) => this.bot.look(yaw, angle, true);
    if (gesture === "wave") {
      for (let times = 0; times < 2; times++) {
        this.bot.swingArm();
        await this.bot.waitForTicks(6);
      }
    } else if (gesture === "jump") {
      this.bot.setControlState("jump", true);
      await this.bot.waitForTicks(4);
      this.bot.setControlState("jump", false);
    } else {
      for (const angle of gesture === "nod" ? [-0.4, 0.2, -0.4, pitch] : [-0.9, -0.9, pitch]) {
        await bow(angle);
        await this.bot.waitForTicks(4);
      }
    }
  }

  leave() {
    this.#walk.abort();
    this.bot.quit();
  }

  #receive(said) {
    if (said === undefined || said.speaker === this.name) return;
    if (said.whispered) this.onwhispered(said.speaker, said.text);
    else this.onheard(said.speaker, said.text, distance(this.position, this.see(said.speaker) ?? this.position));
  }
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.z - b.z);
}
