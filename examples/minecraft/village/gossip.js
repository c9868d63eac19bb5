/** Villagers who talk with each other when no player is near. */

import { spot } from "../places.js";
import { beside } from "./actions/walk_to.js";

const TURNS = 4;
const MAX_TOKENS = 40;

const TOPICS = [
  "Have you heard? Old Rust has not moved since the new moon.",
  "They say that somebody took the emeralds out of the tithe box.",
  "I saw a light in the old mine last night. What do you make of it?",
  "Do you think that the bridge will ever be mended?",
];

export class Gossip {
  #stop = new AbortController();
  #count = 0;

  /** `nearby` says whether a player is within earshot of a villager. */
  constructor(villagers, nearby) {
    this.villagers = villagers;
    this.nearby = nearby;
  }

  /** Let two of them talk every so many milliseconds, until `end`. */
  async run(everyMs) {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await pause(everyMs, signal);
      const pair = signal.aborted ? undefined : this.pair();
      if (pair !== undefined) await this.talk(...pair);
    }
  }

  end() {
    this.#stop.abort();
  }

  /** Two neighbours who are alone, or undefined; another pair each time. */
  pair() {
    const alone = this.villagers.filter((villager) => !villager.busy && !this.nearby(villager));
    const pairs = alone.flatMap((a, at) => alone.slice(at + 1).map((b) => [a, b]));
    const near = pairs.filter(([a, b]) => distance(a.body.position, b.body.position) < 30);
    return near.length === 0 ? undefined : near[this.#count++ % near.length];
  }

  /** `a` goes to `b` and begins; they answer each other, a few turns, and fall silent if a player comes near. */
  async talk(a, b) {
    a.busy = b.busy = true;
    try {
      await a.body.walk(beside(a.body.position, b.body.position));
      await Promise.all([a.body.look(b.body.position), b.body.look(a.body.position)]);
      await this.#exchange(a, b, TOPICS[this.#count % TOPICS.length]);
      await a.body.walk(spot(a.home));
    } catch (error) {
      console.error(`${a.name} and ${b.name} could not talk: ${error.message}`);
    } finally {
      a.busy = b.busy = false;
    }
  }

  async #exchange(a, b, opening) {
    // What an NPC answers it remembers by itself; how the talk began it has to be told.
    await a.mind.event(`You say to ${b.name}: ${opening}`);
    await a.say(opening);
    let [speaker, listener, line] = [a, b, opening];
    for (let turn = 0; turn < TURNS; turn++) {
      if (this.#stop.signal.aborted || this.nearby(listener)) return;
      const from = { id: speaker.npc, name: speaker.name, kind: "npc" };
      const reply = await listener.mind.say(from, line, { priority: "ambient", maxTokens: MAX_TOKENS });
      if (!reply.text) return;
      await listener.say(reply.text);
      [speaker, listener, line] = [listener, speaker, reply.text];
    }
  }
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.z - b.z);
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
