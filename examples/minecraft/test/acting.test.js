/** What villagers choose to do, they do. Without a model, which chooses at random, so that each action has its turn. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";

import { Engine } from "../engine.js";
import { Minecraft } from "../minecraft.js";
import { Village } from "../village/village.js";
import { Player, until } from "./player.js";

const LINES = 60;

let data, engine, minecraft, village, eve;

before(async () => {
  data = await mkdtemp(join(tmpdir(), "npc-acting-"));
  engine = await Engine.start({ data, flags: ["--model", "mock"] });
  minecraft = await Minecraft.start({ port: 0 });
  village = await Village.open(engine.url, minecraft);
  eve = await Player.join("Eve", minecraft);
});

after(async () => {
  eve?.body.leave();
  village?.close();
  await Promise.all([minecraft?.end(), engine?.end()]);
  await rm(data, { recursive: true, force: true });
});

it("an action that the engine calls happens in the world, and the villager remembers it", async () => {
  for (let line = 1; line <= LINES && eve.items().length === 0; line++) {
    const from = eve.lines.length;
    eve.say(`Rowan, what do you have for me? I ask for the ${line}. time.`);
    await eve.sees(/^<Rowan> /, from);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until("Eve was given something", () => eve.items()[0]);
  const [item] = eve.items();
  const given = `Rowan gives Eve one ${item.replaceAll("_", " ")}.`;
  const journal = async () => (await village.engine.inspect("rowan")).journal.map(({ text }) => text);
  await until("Rowan remembers it", async () => (await journal()).some((text) => text.includes(given)));
});
