/** What can go wrong, named by who is to blame. */

import type { ErrorMessage } from "./protocol.js";

/** The server refused or failed a request; `code` says why, `path` leads into the request. */
export class NpcError extends Error {
  override readonly name: string = "NpcError";

  constructor(
    readonly code: string,
    message: string,
    readonly path?: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  static of(error: ErrorMessage): NpcError {
    return new NpcError(error.code, error.message, error.path ?? undefined, error.retry_after_ms ?? undefined);
  }
}

/** No server answers at that address, or it doesn't let this client in. `code` is `unreachable`. */
export class ServerUnreachable extends NpcError {
  override readonly name = "ServerUnreachable";

  constructor(message: string) {
    super("unreachable", message);
  }
}

/** The server was there and is gone; whether it did what was asked is not known. `code` is `connection_lost`. */
export class ConnectionLost extends NpcError {
  override readonly name = "ConnectionLost";

  constructor(message: string) {
    super("connection_lost", message);
  }
}
