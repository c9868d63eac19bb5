/** Newcomers see all who are near, however many come at once. */

/** While one logs in, flying-squid notes who comes near as seen by it, and then does not show them to it any more. */
export function showAll(serv) {
  serv.on("newPlayer", (player) => {
    const { updateAndSpawn } = player;
    player.updateAndSpawn = () => {
      player.updateAndSpawn = updateAndSpawn;
      player.nearbyEntities = [];
      updateAndSpawn();
    };
  });
}
