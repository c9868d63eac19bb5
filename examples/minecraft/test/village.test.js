/** The whole of it: a real Minecraft server, the default model, eight villagers and three players. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { Engine } from "../engine.js";
import { Minecraft } from "../minecraft.js";
import { spot, VILLAGERS } from "../places.js";
import { CHAT_LIMIT } from "../village/chat.js";
import { Village } from "../village/village.js";
import { Player, until } from "./player.js";

describe("in the village", () => {
  let data, engine, minecraft, village, ann, bo, cid;

  before(async () => {
    data = await mkdtemp(join(tmpdir(), "npc-village-"));
    [engine, minecraft] = await Promise.all([Engine.start({ data }), Minecraft.start({ port: 0 })]);
    village = await Village.open(engine.url, minecraft);
    [ann, bo, cid] = await Promise.all(["Ann", "Bo", "Cid"].map((name) => Player.join(name, minecraft)));
    await Promise.all([ann.visit("well"), bo.visit("library"), cid.visit("pier")]);
  });

  after(async () => {
    for (const player of [ann, bo, cid]) player?.body.leave();
    village?.close();
    await Promise.all([minecraft?.end(), engine?.end()]);
    await rm(data, { recursive: true, force: true });
  });

  const journal = async (npc) => (await village.engine.inspect(npc)).journal;
  const remembers = async (npc, words) => (await journal(npc)).some(({ text }) => text.includes(words));

  it("eight live and three visit, and all can see each other", async () => {
    assert.equal(VILLAGERS.length, 8);
    for (const player of [ann, bo, cid]) {
      await until(`${player.name} sees everyone`, () => VILLAGERS.every(({ name }) => player.find(name)));
    }
    assert.equal((await village.engine.list(true)).length, 8);
  });

  it("a secret is known to those who were near enough, and to nobody else", async () => {
    ann.say("Rowan, the secret word is herring.");
    await ann.sees(/^<Rowan> /);
    const who = await Promise.all(VILLAGERS.map(async ({ npc }) => [npc, await remembers(npc, "herring")]));
    assert.deepEqual(who.filter(([, knows]) => knows).map(([npc]) => npc).sort(), ["nell", "rowan"]);
    for (const player of [bo, cid]) assert.deepEqual(player.saw(/herring|<Rowan>/), []);
    // The answer is in the memories of both, and Nell kept quiet.
    const last = async (npc) => (await journal(npc)).at(-1);
    const answer = await until("Rowan has spoken", async () => [await last("rowan")].find((line) => line.speaker === "Rowan"));
    await until("Nell has heard it", async () => (await last("nell")).text === answer.text);
    assert.deepEqual(ann.saw(/^<Nell>/), []);
  });

  it("an answer comes sentence by sentence, as it is made", async () => {
    for (const question of ["Nell, how is your day?", "What do you bake?", "Who lives here?", "What do you fear?"]) {
      const from = ann.lines.length;
      const count = (await journal("nell")).length;
      ann.say(question);
      const entry = await until("Nell answers", async () => (await journal("nell"))[count + 1]);
      const said = () => ann.saw(/^<Nell> /, from);
      const whole = () => said().map(({ text }) => text.slice("<Nell> ".length)).join(" ");
      await until("the whole answer is in chat", () => whole().length >= entry.text.length);
      assert.equal(whole(), entry.text);
      const times = said().map(({ at }) => at);
      if (times.length > 1) {
        assert.ok(times.at(-1) - times[0] > 10, "the first line is there while the last is being made");
        return;
      }
    }
    assert.fail("Four answers of one sentence each: nothing was shown.");
  });

  it("what is too long for a line takes several", async () => {
    const from = ann.lines.length;
    const text = Array.from({ length: 12 }, (_, n) => `This is sentence number ${n + 1} of a long, long tale.`).join(" ");
    await village.find("rowan").say(text);
    await ann.sees(/number 12 /, from);
    const lines = ann.saw(/^<Rowan> /, from).map((line) => line.text.slice("<Rowan> ".length));
    assert.ok(lines.length >= 3);
    assert.ok(lines.every((line) => line.length <= CHAT_LIMIT));
    assert.equal(lines.join(" "), text);
  });

  it("a whisper is between two", async () => {
    await bo.visit("well");
    const from = bo.lines.length;
    ann.say("/tell Rowan The bridge is made of cheese.");
    await ann.sees(/^Rowan whispers to you: /);
    assert.ok(await remembers("rowan", "cheese"));
    assert.equal(await remembers("nell", "cheese"), false);
    assert.deepEqual(bo.saw(/cheese|Rowan/, from), []);
    ann.say("/tell Nobody Hello?");
    await ann.sees(/There is nobody called Nobody/);
    await bo.visit("chapel");
  });

  describe("an action is seen in the world:", () => {
    const rowan = () => ann.find("Rowan");

    // What a villager chose to do for what was said before would come between.
    before(() => village.settled());

    it("look_at turns a head", async () => {
      for (const at of ["gate", "pier"]) {
        assert.equal(await village.act("rowan", "look_at", { at }), `Rowan looks at the ${at}.`);
        const { x, z } = spot(at);
        const facing = () => Math.atan2(rowan().position.x - x, rowan().position.z - z);
        const off = () => Math.abs(Math.atan2(Math.sin(rowan().yaw - facing()), Math.cos(rowan().yaw - facing())));
        await until(`Ann sees Rowan face the ${at}`, () => off() < 0.15);
      }
    });

    it("walk_to moves a body", async () => {
      const gap = () => rowan().position.distanceTo(ann.bot.entity.position);
      assert.equal(await village.act("rowan", "walk_to", { to: "smithy" }), "Rowan walks to the smithy.");
      await until("Rowan is at home", () => gap() > 5);
      assert.equal(await village.act("rowan", "walk_to", { to: "partner" }), "Rowan walks to Ann.");
      await until("Rowan is beside Ann", () => gap() < 4);
    });

    it("give_item fills a hand", async () => {
      assert.deepEqual(ann.items(), []);
      assert.equal(await village.act("rowan", "give_item", { item: "bread" }), "Rowan gives Ann one bread.");
      await until("Ann has the bread", () => ann.items().includes("bread"));
    });

    it("emote waves an arm", async () => {
      const waved = new Promise((resolve) => ann.bot.on("entitySwingArm", (entity) => entity === rowan() && resolve()));
      assert.equal(await village.act("rowan", "emote", { gesture: "wave" }), "Rowan waves.");
      await waved;
    });

    it("a mob walks, too", async () => {
      const from = bo.find("Odo").position.clone();
      await village.act("odo", "walk_to", { to: "library" });
      await until("Bo sees Odo go", () => bo.find("Odo").position.distanceTo(from) > 5);
      await village.act("odo", "walk_to", { to: "chapel" });
    });

    it("and one that can't be done says why", async () => {
      await assert.rejects(village.act("garrick", "look_at", { at: "partner" }), /not in sight/);
    });
  });

  it("a right-click on a villager mob leads to a greeting", async () => {
    const from = bo.lines.length;
    await bo.click("Odo");
    await bo.sees(/^<Odo> /, from);
    assert.ok(await remembers("odo", "Bo comes up to you"));
  });

  it("two who are alone gossip, a few turns, and no player hears it", async () => {
    const from = [ann, bo, cid].map((player) => player.lines.length);
    const far = ["tess", "fern"];
    const before = await Promise.all(far.map(async (npc) => (await journal(npc)).length));
    assert.deepEqual(before, [0, 0]);
    const running = village.gossip.run(50);
    const talked = async () => (await Promise.all(far.map(journal))).every((lines) => lines.length >= 4);
    await until("Tess and Fern talk", talked, 90_000);
    village.gossip.end();
    await running;
    const lines = await journal("fern");
    assert.deepEqual(new Set(lines.map(({ speaker }) => speaker)).has("Tess"), true);
    assert.ok(lines.some(({ speaker }) => speaker === "Fern"));
    assert.ok(lines.length <= 8, "a turn cap");
    [ann, bo, cid].forEach((player, at) => assert.deepEqual(player.saw(/<(Tess|Fern)>/, from[at]), []));
  });
});
