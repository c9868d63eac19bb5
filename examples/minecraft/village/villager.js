/** One villager: a mind of the engine in a body of the game. */

import { split } from "./chat.js";

export class Villager {
  /** Who is spoken with, for `give_item` and the like. */
  partner = undefined;

  constructor({ npc, name, home }, body, mind) {
    this.npc = npc;
    this.name = name;
    this.home = home;
    this.body = body;
    this.mind = mind;
  }

  /** `player` says something; the answer is said aloud, sentence by sentence, while it is still being made. */
  async answer(player, text, hearers) {
    this.partner = player;
    const reply = this.mind.say({ id: player, name: player }, text, { hearers });
    for await (const sentence of reply.sentences()) await this.say(sentence);
    return reply.done();
  }

  /** `player` whispers something; the answer is for nobody else. */
  async whisperBack(player, text) {
    this.partner = player;
    const reply = this.mind.say({ id: player, name: player }, text);
    for await (const sentence of reply.sentences()) {
      for (const line of split(sentence, 200)) await this.body.whisper(player, line);
    }
    return reply.done();
  }

  /** `player` comes up without a word, and is greeted. */
  async greet(player) {
    this.partner = player;
    const reactions = this.mind.event(`${player} comes up to you and waits for you to speak.`, { silent: false });
    for await (const part of reactions) if (part.type === "reply.sentence") await this.say(part.text);
  }

  async say(text) {
    for (const line of split(text)) await this.body.say(line);
  }
}
