/** The client for browsers. The server must be told to let the page's origin in. */

import { Client, type ClientOptions, DEFAULT_URL } from "./client.js";
import type { OpenSocket, Socket } from "./socket.js";

export * from "./api.js";

const open: OpenSocket = (url, subprotocol) => new WebSocket(url, subprotocol) as unknown as Socket;

/** Connect to a server. Rejects with ServerUnreachable, or with NpcError if it doesn't let this client in. */
export function connect(url = DEFAULT_URL, options: ClientOptions = {}): Promise<Client> {
  return Client.connect(open, url, options);
}
