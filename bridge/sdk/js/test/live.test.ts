import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { type Client, connect, ConnectionLost, type LogLine, NpcError, ServerUnreachable } from "npc-engine";
import { WebSocket } from "ws";

import { Served } from "./served.js";

describe("a client of a live server", () => {
  let served: Served;
  let client: Client;

  before(async () => {
    served = await Served.start();
    client = await connect(served.url, { name: "test", game: "none" });
  });

  after(async () => {
    client?.close();
    await served?.end();
  });

  for (const format of ["msgpack", "json"] as const) {
    it(`gets a reply piece by piece, in ${format}`, async () => {
      const own = await connect(served.url, { format });
      const greta = await own.spawn(`greta-${format}`, { persona: "greta" });
      const pieces: string[] = [];
      const reply = greta.say("Mira", "Good morning! Who are you?");
      for await (const piece of reply) pieces.push(piece);
      const done = await reply;
      assert.ok(pieces.length > 1);
      assert.equal(pieces.join(""), done.text);
      assert.ok(["stop", "length"].includes(done.finish));
      const { journal } = await greta.inspect();
      assert.deepEqual(journal.map(({ speaker, text }) => [speaker, text]), [
        ["Mira", "Good morning! Who are you?"],
        ["Greta Ironhand", done.text],
      ]);
      own.close();
    });
  }

  it("talks to many at once", async () => {
    const npcs = ["tobias", "hesta", "wenna", "orrin"];
    await Promise.all(npcs.map((npc) => client.spawn(npc, { persona: npc })));
    const replies = await Promise.all(npcs.map((npc) => client.say(npc, "Mira", "What is new?", { maxTokens: 16 })));
    assert.deepEqual(replies.map((reply) => reply.npc), npcs);
    assert.ok(replies.every((reply) => reply.text));
  });

  it("tells those who hear and no others", async () => {
    for (const npc of ["near", "far", "asked"]) await client.spawn(npc, { persona: "bram" });
    await client.say("asked", "Mira", "The bell is in the pond.", { hearers: ["near"], maxTokens: 8 });
    const heard = async (npc: string) => (await client.inspect(npc)).journal.map(({ text }) => text);
    assert.ok((await heard("near")).includes("The bell is in the pond."));
    assert.deepEqual(await heard("far"), []);
  });

  it("says what happens, and hears the reactions", async () => {
    for (const npc of ["e1", "e2"]) await client.spawn(npc, { persona: "pip" });
    assert.deepEqual(await client.event(["e1", "e2"], "Thunder rolls."), []);
    const reactions = client.event(["e1", "e2"], "The bell rings.", { silent: false });
    const spoke = new Set<string>();
    for await (const part of reactions) spoke.add(part.npc);
    assert.deepEqual((await reactions).map(({ npc }) => npc).sort(), ["e1", "e2"]);
    assert.deepEqual([...spoke].sort(), ["e1", "e2"]);
  });

  it("cancels what a signal aborts, and keeps what was said", async () => {
    const orrin = await client.spawn("left", { persona: "orrin" });
    const walkedAway = new AbortController();
    const reply = orrin.say("Mira", "Tell me everything about the bell.", { signal: walkedAway.signal });
    for await (const _ of reply) {
      walkedAway.abort();
      break;
    }
    const done = await reply;
    assert.equal(done.finish, "cancelled");
    await assert.rejects(orrin.say("Mira", "Hm?", { signal: walkedAway.signal }).done(), { code: "cancelled" });
    assert.equal((await orrin.inspect()).journal.length, 2);
  });

  it("gets errors with a code and a path", async () => {
    await assert.rejects(client.say("nobody", "Mira", "Hello?").done(), (error: NpcError) => {
      assert.ok(error instanceof NpcError);
      assert.equal(error.code, "unknown_npc");
      assert.equal(error.path, "npc");
      return true;
    });
    await assert.rejects(client.spawn("x", { persona: "no such" }), { code: "unknown_persona" });
    await assert.rejects(client.event([], "Nothing.").done(), { code: "bad_message", path: "hearers" });
    await assert.rejects(client.ask({ type: "npc.dance" }), { code: "unknown_type" });
    await client.spawn("patient", { persona: "pip" });
    await assert.rejects(client.say("patient", "Mira", "a".repeat(2_000_000)).done(), { code: "limit_size" });
  });

  it("lists, hints, counts, sets budgets and pings", async () => {
    await client.spawn("parked", { persona: "maud" });
    await client.hint(["parked"], 1000);
    await client.despawn("parked");
    assert.ok((await client.list(false)).some(({ npc }) => npc === "parked"));
    assert.ok(!(await client.list(true)).some(({ npc }) => npc === "parked"));
    assert.ok((await client.stats()).sessions >= 1);
    await client.budget({ ram: 64 * 2 ** 20, tokensPerSecond: 10_000 });
    assert.ok((await client.ping()) < 10_000);
  });

  it("is told what it subscribed to", async () => {
    const told = new Promise((resolve) => client.on("stats", resolve));
    await client.subscribe("stats");
    assert.equal((await told as { type: string }).type, "stats");
    await client.subscribe();
  });

  it("is told what becomes of NPCs, whoever caused it", async () => {
    const watching = await connect(served.url);
    const told: [string, string, boolean][] = [];
    watching.on("npc.changed", ({ npc, what, active }) => told.push([npc, what, active]));
    await watching.subscribe("npc");
    await client.spawn("watched", { persona: "maud" });
    await client.update("watched", { mood: "angry" });
    await client.forget("watched");
    await watching.subscribe();
    await client.spawn("unwatched", { persona: "maud" });
    await watching.ping();
    assert.deepEqual(told, [["watched", "spawned", true], ["watched", "updated", true], ["watched", "forgotten", false]]);
    watching.close();
  });

  it("is told what goes wrong in the server", async () => {
    const told = new Promise<LogLine>((resolve) => client.on("log", resolve));
    await client.subscribe("log");
    new WebSocket(served.url, { origin: "https://elsewhere.example" }).on("error", () => {});
    const { level, logger, text } = await told;
    assert.deepEqual([level, logger], ["warning", "bridge.server"]);
    assert.match(text, /refused a web page from origin/);
    await client.subscribe();
  });

  it("says why there is no server", async () => {
    await assert.rejects(connect("ws://127.0.0.1:1"), ServerUnreachable);
    await assert.rejects(connect("nonsense"), ServerUnreachable);
  });

  it("fails what is asked after it was closed", async () => {
    const own = await connect(served.url);
    const waiting = own.spawn("late", { persona: "pip" });
    own.close();
    await assert.rejects(waiting, ConnectionLost);
    await assert.rejects(own.ping(), ConnectionLost);
  });
});

describe("a server with a token", () => {
  it("lets in who knows it", async () => {
    const served = await Served.start("--token", "sesame");
    try {
      await assert.rejects(connect(served.url), { code: "unauthorized" });
      (await connect(served.url, { token: "sesame" })).close();
    } finally {
      await served.end();
    }
  });
});
