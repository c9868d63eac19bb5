/** Who is sent somewhere is there, whatever was on its way meanwhile. */

/**
 * Two gaps of flying-squid. Its login ends, a while after the player is in the world, by putting it back to where it
 * arrived. And between being moved and hearing of it, a client goes on telling where it was: a server of Mojang's ignores
 * that until the client confirms the move; this one takes the player to be back for as long as a second.
 */
export function holdToTeleports(serv) {
  serv.on("newPlayer", (player) => {
    const { sendSelfPosition, sendPosition, teleport } = player;
    let sentTo, unconfirmed = 0;
    player.teleport = (position) => {
      sentTo = position;
      return teleport(position);
    };
    player.sendSelfPosition = (arrival) => {
      unconfirmed += 1;
      return sendSelfPosition(arrival && (sentTo ?? arrival));
    };
    player._client.on("teleport_confirm", () => {
      unconfirmed = Math.max(0, unconfirmed - 1);
    });
    player.sendPosition = async (position, onGround, isTeleport) =>
      unconfirmed > 0 && !isTeleport ? undefined : sendPosition(position, onGround, isTeleport);
  });
}
