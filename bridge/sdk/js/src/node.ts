/** The client for Node. */

import { WebSocket } from "ws";

import { Client, type ClientOptions, DEFAULT_URL } from "./client.js";
import type { OpenSocket, Socket } from "./socket.js";

export * from "./api.js";

const open: OpenSocket = (url, subprotocol) =>
  // The server is on this machine or near it: compression costs more than it saves.
  new WebSocket(url, subprotocol, { perMessageDeflate: false, maxPayload: 64 * 2 ** 20 }) as unknown as Socket;

/** Connect to a server. Rejects with ServerUnreachable, or with NpcError if it doesn't let this client in. */
export function connect(url = DEFAULT_URL, options: ClientOptions = {}): Promise<Client> {
  return Client.connect(open, url, options);
}
