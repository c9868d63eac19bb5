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

  it("is lost at once if it shall not come back", async () => {
    const client = await connect(wire.url, { reconnect: false });
    const closed = next(client, "closed");
    wire.cut();
    await closed;
    await assert.rejects(client.ping(), ConnectionLost);
  });
});

describe("a client whose server goes away", () => {
  it("gives up after a while", async () => {
    const served = await Served.start();
    const client = await connect(served.url, { reconnect: { firstMs: 10, longestMs: 20, giveUpMs: 200 } });
    const closed = next(client, "closed");
    await served.end("SIGKILL");
    assert.match((await closed).reason, /No NPC Engine answers/);
    await assert.rejects(client.ping(), ConnectionLost);
  });
});

