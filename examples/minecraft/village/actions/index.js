/** What villagers can do, as the engine is told. Each says in words what came of it, or throws what went wrong. */

import { emote } from "./emote.js";
import { giveItem } from "./give_item.js";
import { lookAt } from "./look_at.js";
import { walkTo } from "./walk_to.js";

const ACTIONS = { look_at: lookAt, walk_to: walkTo, give_item: giveItem, emote };

/** `find` gives the villager with an NPC id; `world` knows where things are. */
export function actions(find, world) {
  const places = Object.keys(world.places);
  return Object.fromEntries(
    Object.entries(ACTIONS).map(([name, { description, schema, run }]) => [
      name,
      { description, schema: schema(places), run: (args, call) => run(find(call.npc), args, world) },
    ]),
  );
}
