/** Whom a line is meant for. */

// A talk goes on with whom one talked to last, unless it was so long ago.
const TALK_MS = 30_000;

export class Address {
  #last = new Map();

  /** `names` are the NPCs' names by id. */
  constructor(names, now = Date.now) {
    this.names = names;
    this.now = now;
  }

  /** The NPC of `heard` (distances by id) that `speaker` means: the one that is named, else the last, else the nearest. */
  of(speaker, text, heard) {
    const near = [...heard.keys()].sort((a, b) => heard.get(a) - heard.get(b));
    const named = near.find((npc) => this.#names(text, npc));
    const last = this.#last.get(speaker);
    const current = last !== undefined && this.now() - last.at < TALK_MS && heard.has(last.npc) ? last.npc : undefined;
    const npc = named ?? current ?? near[0];
    if (npc !== undefined) this.turn(speaker, npc);
    return npc;
  }

  /** `speaker` turns to `npc`. */
  turn(speaker, npc) {
    this.#last.set(speaker, { npc, at: this.now() });
  }

  #names(text, npc) {
    // Whole words: `Ivo` is not meant by `ivory`.
    return new RegExp(`(?<![\\p{L}\\p{N}])${this.names.get(npc)}(?![\\p{L}\\p{N}])`, "iu").test(text);
  }
}
