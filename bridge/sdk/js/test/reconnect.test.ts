import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { type Client, type ClientEvents, connect, ConnectionLost } from "npc-engine";

import { Served } from "./served.js";
import { Wire } from "./wire.js";

function next<T extends keyof ClientEvents>(client: Client, type: T): Promise<ClientEvents[T]> {
  return new Promise((resolve) => {
    const stop = client.on(type, (event) => {
      stop();
      resolve(event);
    });
  });
}

describe("a client that loses its connection", () => {
  let served: Served;
  let wire: Wire;

  before(async () => {
    served = await Served.start();
    wire = await Wire.to(served.url);
  });

  after(async () => {
    await wire?.close();
    await served?.end();
  });

  it("comes back, and what is asked meanwhile waits for that", async () => {
    const client = await connect(wire.url);
    const pip = await client.spawn("pip", { persona: "pip" });
    const back = next(client, "reconnected");
    const gone = next(client, "disconnected");
    wire.cut();
    await gone;
    const reply = await pip.say("Mira", "Are you there?", { maxTokens: 8 });
    assert.ok(reply.text);
    await back;
    client.close();
  });

  it("gets what it missed, in order and once", async () => {
    const client = await connect(wire.url);
    const hesta = await client.spawn("hesta", { persona: "hesta" });
    const reply = hesta.say("Mira", "Tell me about the bell.");
    const back = next(client, "reconnected");
    const pieces: string[] = [];
    for await (const piece of reply) {
      if (pieces.push(piece) === 2) wire.cut();
    }
    const done = await reply;
    assert.equal(pieces.join(""), done.text);
    assert.equal((await back).resumed, true);
    const { journal } = await hesta.inspect();
    assert.deepEqual(journal.map(({ text }) => text), ["Tell me about the bell.", done.text]);
    client.close();
  });

  it("has a line heard once, however often it had to send it", async () => {
    const client = await connect(wire.url);
    const maud = await client.spawn("maud", { persona: "maud" });
    const lines = ["One.", "Two.", "Three."];
    for (const line of lines) {
      const reply = maud.say("Mira", line, { maxTokens: 8 });
      wire.cut();
      assert.equal((await reply).npc, "maud");
    }
    const { journal } = await maud.inspect();
    assert.deepEqual(journal.filter(({ speaker }) => speaker === "Mira").map(({ text }) => text), lines);
    client.close();
  });

  it("is lost at once if it shall not come back", async () => {
    const client = await connect(wire.url, { reconnect: false });
    const closed = next(client, "closed");
    wire.cut();
    await closed;
    await assert.rejects(client.ping(), ConnectionLost);
  });
});

describe("a client whose server goes away", () => {
  it("tells the next one who is there, and fails what may have been heard", async () => {
    const first = await Served.start();
    const client = await connect(first.url);
    const pip = await client.spawn("pip", { persona: "pip" });
    await client.spawn("bram", { persona: "bram" });
    await client.despawn("bram");
    const back = next(client, "reconnected");
    const reply = pip.say("Mira", "Are you there?");
    for await (const _ of reply) break;
    await first.end("SIGKILL");
    const second = await Served.start("--port", first.port);
    try {
      assert.equal((await back).resumed, false);
      await assert.rejects(reply.done(), ConnectionLost);
      assert.ok((await pip.say("Mira", "Are you there now?", { maxTokens: 8 })).text);
      assert.deepEqual((await client.list(true)).map(({ npc }) => npc), ["pip"]);
    } finally {
      client.close();
      await second.end();
    }
  });

  it("gives up after a while", async () => {
    const served = await Served.start();
    const client = await connect(served.url, { reconnect: { firstMs: 10, longestMs: 20, giveUpMs: 200 } });
    const closed = next(client, "closed");
    await served.end("SIGKILL");
    assert.match((await closed).reason, /No NPC Engine answers/);
    await assert.rejects(client.ping(), ConnectionLost);
  });
});

