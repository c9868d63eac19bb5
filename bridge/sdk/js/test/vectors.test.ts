/** The messages that all SDKs are tested with, and the server itself. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { type ClientMessage, ERROR_CODES } from "npc-engine";

import { JSON_TEXT, MSGPACK } from "../dist/codec.js";
import { ROOT } from "./served.js";

interface Message { type: string; side: "client" | "server"; json: ClientMessage; msgpack: string }
interface Read { name: string; side: "client" | "server"; text?: string; msgpack?: string; means: unknown }
interface Vectors { protocol: number; messages: Message[]; reads: Read[]; refused: { code: string }[] }

const vectors = JSON.parse(readFileSync(join(ROOT, "bridge/schema/vectors.json"), "utf8")) as Vectors;

function bytes(hex: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(hex, "hex")).buffer;
}

describe("each message", () => {
  for (const { type, side, json, msgpack } of vectors.messages) {
    it(`${type} is read in msgpack and in JSON`, () => {
      assert.deepEqual(MSGPACK.decode(bytes(msgpack)), json);
      assert.deepEqual(JSON_TEXT.decode(JSON.stringify(json)), json);
    });

    if (side === "client") {
      it(`${type} is written byte for byte`, () => {
        assert.equal(Buffer.from(MSGPACK.encode(json) as Uint8Array).toString("hex"), msgpack);
        assert.deepEqual(JSON.parse(JSON_TEXT.encode(json) as string), json);
      });
    }
  }
});

describe("however it is written,", () => {
  for (const { name, side, text, msgpack, means } of vectors.reads.filter((read) => read.side === "server")) {
    it(`${name} (${side}) is read`, () => {
      const read = [
        ...(text === undefined ? [] : [JSON_TEXT.decode(text)]),
        ...(msgpack === undefined ? [] : [MSGPACK.decode(bytes(msgpack))]),
      ];
      assert.ok(read.length > 0);
      // What has no meaning is read, too, and then nobody asks for it.
      if (means !== null) for (const message of read) assert.deepEqual(known(message, means), means);
    });
  }
});

it("every code of an error is known", () => {
  for (const { code } of vectors.refused) assert.ok((ERROR_CODES as readonly string[]).includes(code), code);
});

/** What `means` has of `message`: fields that it does not name are those that are ignored. */
function known(message: unknown, means: unknown): unknown {
  if (typeof means !== "object" || means === null || Array.isArray(means)) return message;
  const fields = message as Record<string, unknown>;
  return Object.fromEntries(Object.entries(means).map(([key, value]) => [key, known(fields[key], value)]));
}
