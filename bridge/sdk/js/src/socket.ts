/** What this client needs of a WebSocket: what a browser's has, and the one of `ws`. */

export interface Socket {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** Begins a connection to `url` that asks for `subprotocol`. Throws SyntaxError if `url` is no address. */
export type OpenSocket = (url: string, subprotocol: string) => Socket;
