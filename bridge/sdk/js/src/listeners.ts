/** Functions that are called when something happens, by what happens. */

export class Listeners<Events extends Record<string, unknown>> {
  readonly #of = new Map<keyof Events, Set<(event: never) => void>>();

  /** Call `listener` with every event of that type. What is returned stops it. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void {
    const listeners = this.#of.get(type) ?? new Set();
    this.#of.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** A listener that throws disturbs neither the others nor the connection; its error is logged. */
  tell<T extends keyof Events>(type: T, event: Events[T]): void {
    for (const listener of [...(this.#of.get(type) ?? [])]) {
      try {
        (listener as (event: Events[T]) => void)(event);
      } catch (error) {
        console.error(`npc-engine: a listener for '${String(type)}' failed:`, error);
      }
    }
  }
}
