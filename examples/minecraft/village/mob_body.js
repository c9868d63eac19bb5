/** A body that is a villager mob: the server moves it, and says what it hears. */

import { spot } from "../places.js";

export class MobBody {
  onheard = () => {};
  onwhispered = () => {};

  constructor(name, place, minecraft) {
    this.name = name;
    this.minecraft = minecraft;
    this.position = spot(place);
    minecraft.on("heard", ({ name: who, speaker, text, distance }) => {
      if (who === this.name) this.onheard(speaker, text, distance);
    });
    minecraft.on("whispered", ({ name: who, speaker, text }) => {
      if (who === this.name) this.onwhispered(speaker, text);
    });
  }

  static async join(name, place, minecraft) {
    await minecraft.order("mob.spawn", { name, place });
    return new MobBody(name, place, minecraft);
  }

  say(text) {
    return this.#order("mob.say", { text });
  }

  whisper(player, text) {
    return this.#order("mob.whisper", { player, text });
  }

  look(at) {
    return this.#order("mob.look", { at });
  }

  async walk(to) {
    await this.#order("mob.walk", { to });
    this.position = { ...this.position, x: to.x, z: to.z };
  }

  give(item, player) {
    return this.minecraft.order("throw", { from: this.name, item, player });
  }

  emote(gesture) {
    return this.#order("mob.emote", { gesture });
  }

  leave() {}

  #order(type, order) {
    return this.minecraft.order(type, { name: this.name, ...order });
  }
}
