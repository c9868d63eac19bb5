/** The village: all who live in it, what they hear, and what they answer. */

import { connect } from "npc-engine";

import { EARSHOT, PLACES, spot, VILLAGERS } from "../places.js";
import { actions } from "./actions/index.js";
import { Address } from "./address.js";
import { BotBody } from "./bot_body.js";
import { Gossip } from "./gossip.js";
import { Hearing } from "./hearing.js";
import { MobBody } from "./mob_body.js";
import { Villager } from "./villager.js";

export class Village {
  places = PLACES;
  #hearing = new Hearing((line) => this.#try(this.#answer(line)));
  #villagers = new Map();
  #underWay = new Set();
  #names = new Set(VILLAGERS.map(({ name }) => name));

  constructor(engine, minecraft) {
    this.engine = engine;
    this.minecraft = minecraft;
    this.address = new Address(new Map(VILLAGERS.map(({ npc, name }) => [npc, name])));
    this.actions = this.#watched(actions((npc) => this.#villagers.get(npc), this));
    minecraft.on("clicked", ({ player, name }) => this.#try(this.#greet(player, name)));
  }

  /** Everybody comes: a body in the game for each, and a mind of the engine at `url`. */
  static async open(url, minecraft) {
    const engine = await connect(url, { name: "minecraft-village", version: "0.1.0", game: "Minecraft 1.20.1" });
    const village = new Village(engine, minecraft);
    for (const who of VILLAGERS) await village.#add(who);
    if (engine.welcome.capabilities.includes("actions.register")) await engine.actions(village.actions);
    village.gossip = new Gossip([...village.#villagers.values()], (villager) => village.#playerNear(villager));
    return village;
  }

  find(npc) {
    return this.#villagers.get(npc);
  }

  /** Have a villager do something, as if it had chosen to. */
  act(npc, name, args) {
    return this.actions[name].run(args, { npc });
  }

  /** Resolves once nobody is talking with a player or doing anything. */
  async settled() {
    while (this.#underWay.size) await Promise.allSettled(this.#underWay);
  }

  /** Where `what` is: a place, or whoever the villager talks with. */
  where(villager, what) {
    if (what !== "partner") return spot(what);
    const at = this.#see(villager.partner);
    if (at === undefined) throw new Error(`${villager.partner ?? "Nobody"} is not in sight.`);
    return at;
  }

  /** How `what` is called in a sentence. */
  called(villager, what) {
    return what === "partner" ? villager.partner : `the ${what}`;
  }

  close() {
    this.gossip?.end();
    for (const { body } of this.#villagers.values()) body.leave();
    this.engine.close();
  }

  async #add(who) {
    const { npc, name, home, body: kind } = who;
    const body = kind === "mob" ? await MobBody.join(name, home, this.minecraft) : await BotBody.join(name, this.minecraft);
    const mind = await this.engine.spawn(npc, { persona: npc });
    const villager = new Villager(who, body, mind);
    body.onheard = (speaker, text, distance) => {
      if (!this.#names.has(speaker)) this.#hearing.hear(npc, speaker, text, distance);
    };
    body.onwhispered = (speaker, text) => this.#try(villager.whisperBack(speaker, text));
    this.#villagers.set(npc, villager);
  }

  async #answer({ speaker, text, heard }) {
    const npc = this.address.of(speaker, text, heard);
    const others = [...heard.keys()].filter((other) => other !== npc);
    await this.#villagers.get(npc).answer(speaker, text, others);
  }

  async #greet(player, name) {
    const villager = [...this.#villagers.values()].find((each) => each.name === name);
    if (villager === undefined) return; // players click each other, too
    this.address.turn(player, villager.npc);
    await villager.greet(player);
  }

  #playerNear({ body }) {
    return this.#players().some(({ position }) => distance(position, body.position) <= EARSHOT);
  }

  #players() {
    const seen = new Map();
    for (const { body } of this.#villagers.values()) {
      for (const player of Object.values(body.bot?.players ?? {})) {
        if (player.entity && !this.#names.has(player.username)) seen.set(player.username, player.entity);
      }
    }
    return [...seen.values()];
  }

  #see(player) {
    for (const { body } of this.#villagers.values()) {
      const at = body.see?.(player);
      if (at !== undefined) return at;
    }
    return undefined;
  }

  /** What goes wrong in one talk must not end the others. */
  #try(talk) {
    this.#watch(talk).catch((error) => console.error(`village: ${error.message}`));
  }

  #watched(actions) {
    const watched = Object.entries(actions).map(([name, { run, ...rest }]) => {
      return [name, { ...rest, run: (...args) => this.#watch(run(...args)) }];
    });
    return Object.fromEntries(watched);
  }

  #watch(work) {
    this.#underWay.add(work);
    const end = () => this.#underWay.delete(work);
    work.then(end, end);
    return work;
  }
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.z - b.z);
}
