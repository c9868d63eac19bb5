/** Who is there is told to everyone. flying-squid tells all but the newcomer, who could not see them then. */

export function sendTabList(serv) {
  // For every newcomer anew: it makes this function again for each.
  serv.on("newPlayer", () => {
    serv._sendPlayerList = () => {
      serv._writeAll("player_info", { action: { add_player: true }, data: serv.players.map(entry) });
    };
  });
}

function entry(player) {
  return {
    uuid: player.uuid,
    player: { name: player.username, properties: player.profileProperties },
    gamemode: player.gameMode,
    latency: player._client.latency,
  };
}
