/** Right-clicks on those who live here, bots and mobs alike. */

const INTERACT = 0;

export function hearClicks(serv, mobs, tell) {
  serv.on("newPlayer", (player) => {
    player._client.on("use_entity", ({ target, mouse }) => {
      const entity = serv.entities[target];
      const name = entity?.username ?? mobs.nameOf(entity);
      if (mouse === INTERACT && name !== undefined) tell({ type: "clicked", player: player.username, name });
    });
  });
}
