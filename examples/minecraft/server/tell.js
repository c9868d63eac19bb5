/** `/tell NAME text`: words for one player or mob. flying-squid has none of its own. */

export function addTell(serv, mobs) {
  for (const base of ["tell", "msg", "w"]) {
    serv.commands.add({
      base,
      info: "to whisper to somebody",
      usage: `/${base} <name> <text>`,
      onlyPlayer: true,
      parse: (words) => /^(\S+) +(.+)$/s.exec(words) ?? false,
      action([, name, text], { player }) {
        if (!mobs.whisperTo(name, player.username, text) && !whisper(serv, player.username, name, text)) {
          return `There is nobody called ${name} here.`;
        }
        player.system({ text: `You whisper to ${name}: ${text}` });
        return undefined;
      },
    });
  }
}

/** Whether there is a player called `name`, who has heard it then. */
export function whisper(serv, speaker, name, text) {
  const player = serv.getPlayer(name);
  player?.system({ text: `${speaker} whispers to you: ${text}` });
  return player !== null;
}
