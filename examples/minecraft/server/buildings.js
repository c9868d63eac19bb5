/** What stands in the village: a block for each place, on a pillar that is seen from afar, with its name. */

import { Vec3 } from "vec3";

import { GROUND } from "../places.js";

const PILLAR = 5;

export async function build(serv, places) {
  const { blocksByName } = serv.registry;
  for (const { x, z, block } of Object.values(places)) {
    await put(serv, x, GROUND, z, blocksByName[block]);
    for (let height = 1; height <= PILLAR; height++) {
      await put(serv, x, GROUND + height, z, height === PILLAR ? blocksByName.lantern : blocksByName.oak_fence);
    }
  }
}

async function put(serv, x, y, z, block) {
  await serv.setBlock(serv.overworld, new Vec3(x, y, z), block.defaultState);
}
