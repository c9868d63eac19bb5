/** Messages to WebSocket frames and back, in msgpack and in JSON. */

import { decode, encode } from "@msgpack/msgpack";

import { NpcError } from "./errors.js";
import type { ClientMessage, ServerMessage } from "./protocol.js";

export type Frame = string | Uint8Array<ArrayBuffer>;

/** One way to write messages. */
export interface Codec {
  readonly subprotocol: string;
  /** Throws NpcError `bad_message` for values that can't travel. */
  encode(message: ClientMessage): Frame;
  /** Throws NpcError `bad_message` for what is no message. */
  decode(frame: string | ArrayBuffer): ServerMessage;
}

export const MSGPACK: Codec = {
  subprotocol: "npc.v1.msgpack",
  encode: (message) => writing("msgpack", () => encode(message, { ignoreUndefined: true })),
  decode: (frame) =>
    reading(() => {
      if (typeof frame === "string") throw new TypeError("text where msgpack was agreed");
      return decode(new Uint8Array(frame));
    }),
};

export const JSON_TEXT: Codec = {
  subprotocol: "npc.v1.json",
  encode: (message) => writing("JSON", () => JSON.stringify(message)),
  decode: (frame) =>
    reading(() => {
      if (typeof frame !== "string") throw new TypeError("binary data where JSON was agreed");
      return JSON.parse(frame) as unknown;
    }),
};

export const CODECS = { msgpack: MSGPACK, json: JSON_TEXT } as const;

export function frameBytes(frame: Frame): number {
  return typeof frame === "string" ? new TextEncoder().encode(frame).length : frame.length;
}

function writing<T>(format: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw new NpcError("bad_message", `This message can't be written as ${format}: ${String(error)}`);
  }
}

function reading(read: () => unknown): ServerMessage {
  let value: unknown;
  try {
    value = read();
  } catch (error) {
    throw new NpcError("bad_message", `The server sent what can't be read: ${String(error)}`);
  }
  if (typeof value !== "object" || value === null || typeof (value as { type?: unknown }).type !== "string") {
    throw new NpcError("bad_message", "The server sent what is no map with a `type`.");
  }
  // Types that this version doesn't know pass here; nobody listens to them.
  return value as ServerMessage;
}
