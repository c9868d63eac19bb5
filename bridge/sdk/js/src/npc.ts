/** One NPC of a client: the client's methods with the NPC's id filled in. */

import type { Actions } from "./actions.js";
import type { Client, EventOptions, SayOptions } from "./client.js";
import type { NpcInfo, Speaker } from "./protocol.js";
import type { Reactions } from "./reactions.js";
import type { Reply } from "./reply.js";

export class Npc {
  constructor(
    private readonly client: Client,
    readonly id: string,
  ) {}

  /** `speaker` says `text` to this NPC. A speaker that is a string is id and name in one. */
  say(speaker: Speaker | string, text: string, options: SayOptions = {}): Reply {
    return this.client.say(this.id, speaker, text, options);
  }

  /** Something happens in front of this NPC alone. It remembers it, and reacts if `silent` is false. */
  event(text: string, options: EventOptions = {}): Reactions {
    return this.client.event([this.id], text, options);
  }

  /** What this NPC can do from now on, besides what all can do. */
  actions(actions: Actions): Promise<void> {
    return this.client.actions(actions, { npc: this.id });
  }

  /** What it remembers, feels and costs. */
  inspect(): Promise<NpcInfo> {
    return this.client.inspect(this.id);
  }

  /** It is likely to be spoken to in so many milliseconds: its answer will begin sooner. */
  hint(etaMs = 0): Promise<void> {
    return this.client.hint([this.id], etaMs);
  }

  /** Park it: it keeps everything and hears nothing. */
  despawn(): Promise<void> {
    return this.client.despawn(this.id);
  }
}
