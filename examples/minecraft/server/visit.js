/** `/visit PLACE`: a village of a hundred blocks is a long walk. */

import { Vec3 } from "vec3";

import { PLACES, spot } from "../places.js";

export function addVisit(serv) {
  serv.commands.add({
    base: "visit",
    info: "to go to a place",
    usage: `/visit <${Object.keys(PLACES).join("|")}>`,
    onlyPlayer: true,
    parse: (place) => (Object.hasOwn(PLACES, place) ? place : false),
    async action(place, { player }) {
      const { x, y, z } = spot(place);
      await player.teleport(new Vec3(x + 1, y, z + 1));
      await showGround(player);
    },
  });
}

/** The ground around `player`. flying-squid leaves it out for one who moves while earlier ground is still being sent. */
async function showGround(player) {
  while (player.sendingChunks) await new Promise((resolve) => setTimeout(resolve, 50));
  await player.worldSendRestOfChunks();
}
