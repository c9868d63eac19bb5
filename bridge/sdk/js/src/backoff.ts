/** How long to wait before each attempt to reconnect. */

export interface Backoff {
  /** Milliseconds before the second attempt, about; the first is made at once. It doubles with each. */
  firstMs: number;
  /** The longest wait. */
  longestMs: number;
  /** Give up when the connection has been lost for so long. */
  giveUpMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: 200, longestMs: 10_000, giveUpMs: 300_000 };

/** The wait before attempt `attempt` (0 is the first). Half of it is left to chance, so that clients don't return in step. */
export function waitMs(attempt: number, { firstMs, longestMs }: Backoff, random: () => number = Math.random): number {
  if (attempt === 0) return 0;
  const longest = Math.min(firstMs * 2 ** (attempt - 1), longestMs);
  return longest * (0.5 + random() / 2);
}
