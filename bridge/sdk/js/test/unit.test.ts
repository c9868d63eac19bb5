import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { type NpcError, type ReplyAction, Reply, type ServerMessage } from "npc-engine";

// What is not part of the package's interface is taken from the build.
import { outcome } from "../dist/actions.js";
import { DEFAULT_BACKOFF, waitMs } from "../dist/backoff.js";
import { CODECS, JSON_TEXT, MSGPACK } from "../dist/codec.js";
import { Exchange } from "../dist/exchange.js";
import { Handlers } from "../dist/handlers.js";
import { Listeners } from "../dist/listeners.js";

const CALL: ReplyAction = { type: "reply.action", npc: "greta", call: "c1", name: "wave", args: {} };

function delta(text: string): ServerMessage {
  return { type: "reply.delta", re: 1, npc: "greta", text };
}

function said(): Exchange {
  return new Exchange({ type: "say", id: 1, npc: "greta", speaker: { id: "Mira" }, text: "Good day." });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("codecs", () => {
  for (const [name, codec] of Object.entries(CODECS)) {
    it(`${name} brings back what it wrote, without the fields that have no value`, () => {
      const frame = codec.encode({ type: "npc.list", id: 7, active: undefined });
      const wire = typeof frame === "string" ? frame : frame.slice().buffer;
      assert.deepEqual(codec.decode(wire), { type: "npc.list", id: 7 });
    });
  }

  it("refuse what is no message, with a code", () => {
    const frames = [
      ...["{", "[]", "{}", new ArrayBuffer(2)].map((frame) => [JSON_TEXT, frame] as const),
      ...["{}", new ArrayBuffer(0), new Uint8Array([0x90]).buffer].map((frame) => [MSGPACK, frame] as const),
    ];
    for (const [codec, frame] of frames) {
      assert.throws(() => codec.decode(frame), (error: NpcError) => error.code === "bad_message");
    }
  });

  it("refuse what can't be written", () => {
    const endless: Record<string, unknown> = {};
    endless["again"] = endless;
    for (const codec of Object.values(CODECS)) {
      assert.throws(() => codec.encode({ type: "ping", ...endless }), (error: NpcError) => error.code === "bad_message");
    }
  });
});

describe("a reply", () => {
  it("can be read as it comes, by many, each from the beginning", async () => {
    const exchange = said();
    const reply = new Reply(exchange, () => {});
    const first = collect(reply);
    exchange.receive({ type: "reply.start", re: 1, npc: "greta" });
    exchange.receive(delta("Good "));
    await new Promise(setImmediate);
    exchange.receive(delta("day."));
    exchange.receive({ type: "reply.sentence", re: 1, npc: "greta", text: "Good day." });
    assert.equal(reply.ended, false);
    exchange.receive({ type: "reply.done", re: 1, npc: "greta", text: "Good day.", finish: "stop" });
    assert.deepEqual(await first, ["Good ", "day."]);
    assert.deepEqual(await collect(reply), ["Good ", "day."]);
    assert.deepEqual(await collect(reply.sentences()), ["Good day."]);
    assert.equal((await reply).text, "Good day.");
    assert.equal(reply.ended, true);
  });

  it("gives what was said before it fails", async () => {
    const exchange = said();
    exchange.receive(delta("Good "));
    exchange.receive({ type: "error", re: 1, code: "deadline", message: "Too late.", retry_after_ms: 5 });
    const pieces: string[] = [];
    await assert.rejects(async () => {
      for await (const piece of new Reply(exchange, () => {})) pieces.push(piece);
    }, { code: "deadline", retryAfterMs: 5 });
    assert.deepEqual(pieces, ["Good "]);
  });

  it("is not cancelled once it has ended", () => {
    const exchange = said();
    let cancelled = 0;
    const reply = new Reply(exchange, () => cancelled++);
    reply.cancel();
    exchange.receive({ type: "reply.done", re: 1, npc: "greta", text: "", finish: "cancelled" });
    reply.cancel();
    assert.equal(cancelled, 1);
  });
});

describe("waiting to reconnect", () => {
  it("begins at once, doubles, and stays below the longest wait", () => {
    const waits = [0, 1, 2, 3, 20].map((attempt) => waitMs(attempt, DEFAULT_BACKOFF, () => 1));
    assert.deepEqual(waits, [0, 200, 400, 800, 10_000]);
  });

  it("is left to chance by half", () => {
    assert.equal(waitMs(2, DEFAULT_BACKOFF, () => 0), 200);
  });
});

describe("actions", () => {
  const action = (message: string) => ({ description: "", schema: {}, run: () => message });

  it("of an NPC go before those of its persona, and those before everyone's", () => {
    const handlers = new Handlers();
    handlers.add({ all: true }, { wave: action("all"), nod: action("all") });
    handlers.add({ persona: "smith" }, { wave: action("persona") });
    handlers.add({ npc: "greta" }, { wave: action("npc") });
    const found = (name: string, npc: string, persona: string) => handlers.find(name, npc, persona)?.run({}, CALL);
    assert.equal(found("wave", "greta", "smith"), "npc");
    assert.equal(found("wave", "wenna", "smith"), "persona");
    assert.equal(found("wave", "orrin", "monk"), "all");
    assert.equal(found("nod", "greta", "smith"), "all");
    assert.equal(found("toString", "greta", "smith"), undefined);
    handlers.remove({ npc: "greta" }, ["wave"]);
    assert.equal(found("wave", "greta", "smith"), "persona");
  });

  it("that throw have failed, and say why", async () => {
    const failing = { description: "", schema: {}, run: () => { throw new Error("Too far away."); } };
    assert.deepEqual(await outcome(failing, CALL), { ok: false, message: "Too far away." });
    assert.deepEqual(await outcome(action("Done."), CALL), { ok: true, message: "Done." });
  });
});

describe("listeners", () => {
  it("stop when they are told to, and one that throws disturbs no other", (test) => {
    const log = test.mock.method(console, "error", () => {});
    const listeners = new Listeners<{ rang: number }>();
    const heard: number[] = [];
    listeners.on("rang", () => { throw new Error("deaf"); });
    const stop = listeners.on("rang", (times) => heard.push(times));
    listeners.tell("rang", 1);
    stop();
    listeners.tell("rang", 2);
    assert.deepEqual(heard, [1]);
    assert.equal(log.mock.callCount(), 2);
  });
});
