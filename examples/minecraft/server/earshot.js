/** Who hears what is said: those within earshot of the speaker, and nobody else. */

import { EARSHOT } from "../places.js";

/** What players say reaches only those near them. */
export function carryVoices(serv, mobs) {
  serv.on("newPlayer", (player) => {
    player.on("chat_cancel", ({ message }, cancel) => {
      cancel();
      speak(serv, mobs, player.username, player.position, message);
    });
  });
}

/** `text` is said by `speaker` at `position`: a chat line for every player near, words in the ear of every mob near. */
export function speak(serv, mobs, speaker, position, text) {
  for (const player of serv.players) {
    // As an object: in a plain string `&` would begin a colour.
    if (player.position.distanceTo(position) <= EARSHOT) player.system({ text: `<${speaker}> ${text}` });
  }
  mobs.hear(speaker, position, text);
}
