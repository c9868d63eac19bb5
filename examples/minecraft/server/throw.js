/** Items that go from hand to hand. */

import { Vec3 } from "vec3";

const PICKUP_MS = 500;
const LIES_MS = 60_000;
const REACH = 2; // blocks

/**
 * `item` flies from `from` to the feet of `player`, who picks it up, or anybody if `player` has gone on. flying-squid lets
 * what is dropped fall at the feet of whoever drops it, and be picked up by whoever of those near joined first.
 */
export function throwTo(serv, mobs, from, item, player) {
  const taker = serv.getPlayer(player);
  const kind = serv.registry.itemsByName[item];
  if ((mobs.find(from) ?? serv.getPlayer(from)) === null) throw new Error(`${from} is gone.`);
  if (taker === null) throw new Error(`${player} is gone.`);
  if (kind === undefined) throw new Error(`There is no item called ${item}.`);
  const at = taker.position.clone();
  const thrown = serv.initEntity("object", serv.registry.entitiesByName.item.id, taker.world, at);
  Object.assign(thrown, {
    uuid: crypto.randomUUID(),
    name: "item",
    data: 1,
    yaw: 0,
    pitch: 0,
    velocity: new Vec3(0, 0, 0),
    itemId: kind.id,
    itemCount: 1,
    deathTime: LIES_MS,
  });
  // What flying-squid would send is laid out as it was before 1.17, and clients choke on it.
  const metadata = [{ key: 8, type: "item_stack", value: { present: true, itemId: kind.id, itemCount: 1 } }];
  thrown.metadata = metadata;
  thrown.sendMetadata = () => thrown._writeOthersNearby("entity_metadata", { entityId: thrown.id, metadata });
  thrown.updateAndSpawn();
  setTimeout(() => {
    if (taker.position.distanceTo(at) <= REACH) taker.collect(thrown);
    else thrown.pickupTime = PICKUP_MS;
  }, PICKUP_MS);
}
