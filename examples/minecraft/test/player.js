/** A player of the tests: a bot that plays nobody, and remembers what it saw. */

import { spot } from "../places.js";
import { BotBody } from "../village/bot_body.js";

// The runner ends a file that takes too long with this signal; what the file started must end with it.
process.on("SIGTERM", () => process.exit(1));

const WAITS_MS = 30_000;

export class Player {
  /** Chat lines as they came: `{text, at}`, in milliseconds. */
  lines = [];

  constructor(body) {
    this.body = body;
    this.bot = body.bot;
    this.name = body.name;
    this.bot.on("messagestr", (text) => this.lines.push({ text, at: performance.now() }));
  }

  static async join(name, minecraft) {
    return new Player(await BotBody.join(name, minecraft));
  }

  say(text) {
    this.bot.chat(text);
  }

  /** Go to a place, and be there. */
  async visit(place) {
    const { x, z } = spot(place);
    this.bot.chat(`/visit ${place}`);
    // Not the next move that it is made to: that may still be its arrival in the world.
    await until(`${this.name} is at the ${place}`, () => {
      const { position } = this.bot.entity;
      return Math.hypot(position.x - x, position.z - z) < 3;
    });
    await until(`${this.name} stands on the ground`, () => this.bot.world.getColumnAt(this.bot.entity.position));
  }

  /** What it saw that fits `pattern`, from line number `from` on. */
  saw(pattern, from = 0) {
    return this.lines.slice(from).filter(({ text }) => pattern.test(text));
  }

  /** The first such line, once it is there. */
  async sees(pattern, from = 0) {
    return until(`${this.name} sees ${pattern}`, () => this.saw(pattern, from)[0]);
  }

  /** What it holds. */
  items() {
    return this.bot.inventory.items().map(({ name }) => name);
  }

  /** Right-click whoever is called `name`: a player, or a mob. */
  async click(name) {
    const entity = await until(`${this.name} finds ${name}`, () => this.find(name));
    await this.bot.activateEntity(entity);
  }

  find(name) {
    const mob = (entity) => entity.name === "villager" && JSON.stringify(entity.metadata).includes(name);
    return this.bot.players[name]?.entity ?? Object.values(this.bot.entities).find(mob);
  }
}

/** What `look` gives, once it gives anything; throws after a while. */
export async function until(what, look, withinMs = WAITS_MS) {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`It never happened: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
