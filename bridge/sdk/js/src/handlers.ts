/** The actions of a client's NPCs: who can do what, and what runs when it is done. */

import type { Action, Actions } from "./actions.js";
import type { Scope } from "./protocol.js";

/** By scope and by name. Of an NPC's own action, its persona's and everyone's, the first is taken. */
export class Handlers {
  readonly #byScope = new Map<string, { scope: Scope; actions: Actions }>();

  add(scope: Scope, actions: Actions): void {
    const key = keyOf(scope);
    this.#byScope.set(key, { scope, actions: { ...this.#byScope.get(key)?.actions, ...actions } });
  }

  remove(scope: Scope, names: readonly string[]): void {
    const found = this.#byScope.get(keyOf(scope));
    for (const name of names) delete found?.actions[name];
  }

  find(name: string, npc: string, persona: string | undefined): Action | undefined {
    const scopes: Scope[] = [{ npc }, ...(persona === undefined ? [] : [{ persona }]), { all: true }];
    for (const scope of scopes) {
      const actions = this.#byScope.get(keyOf(scope))?.actions;
      if (actions !== undefined && Object.hasOwn(actions, name)) return actions[name];
    }
    return undefined;
  }

  /** Everything that is registered, to register it again. */
  all(): { scope: Scope; actions: Actions }[] {
    return [...this.#byScope.values()].filter(({ actions }) => Object.keys(actions).length > 0);
  }
}

function keyOf(scope: Scope): string {
  return JSON.stringify(scope);
}
