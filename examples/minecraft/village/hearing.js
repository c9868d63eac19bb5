/**
 * One line of a player reaches many ears, each by itself: a chat packet for every bot, a report for every mob. Here they
 * become one line again, with all who heard it. A line that was too long for one packet comes in parts; they are joined.
 */

// Packets of one line arrive within a few milliseconds, and so do the parts of one that was cut.
const TOGETHER_MS = 60;

export class Hearing {
  #open = new Map();

  /** `tell` is called with every line: `{speaker, text, heard}`, where `heard` says by NPC how far off it was said. */
  constructor(tell) {
    this.tell = tell;
  }

  /** `npc` hears `speaker` say `text`, `distance` blocks away. */
  hear(npc, speaker, text, distance) {
    let line = this.#open.get(speaker);
    if (line === undefined) {
      line = { parts: new Map(), heard: new Map() };
      this.#open.set(speaker, line);
      setTimeout(() => this.#close(speaker), TOGETHER_MS);
    }
    line.parts.set(npc, [...(line.parts.get(npc) ?? []), text]);
    line.heard.set(npc, distance);
  }

  #close(speaker) {
    const { parts, heard } = this.#open.get(speaker);
    this.#open.delete(speaker);
    const texts = [...parts.values()].map((pieces) => pieces.join(" "));
    const text = texts.reduce((longest, each) => (each.length > longest.length ? each : longest));
    this.tell({ speaker, text, heard });
  }
}
