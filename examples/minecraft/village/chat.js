/** Chat lines: how much fits in one, and what is in those that arrive. */

/** What a chat line may hold; a client cuts the rest off. */
export const CHAT_LIMIT = 256;

const SENTENCE = /[^.!?…]+(?:[.!?…]+["'”’)]*|$)\s*/gu;

/** `text` in lines of at most `limit` characters: broken between sentences, else between words, else anywhere. */
export function split(text, limit = CHAT_LIMIT) {
  const lines = [];
  let line = "";
  const put = (piece, joint) => {
    if (line && line.length + joint.length + piece.length <= limit) {
      line += joint + piece;
    } else {
      if (line) lines.push(line);
      line = piece;
    }
  };
  for (const sentence of oneLine(text).match(SENTENCE) ?? []) {
    if (sentence.trim().length <= limit) put(sentence.trim(), " ");
    else for (const word of sentence.trim().split(" ")) for (const piece of cut(word, limit)) put(piece, " ");
  }
  if (line) lines.push(line);
  return lines;
}

/** What an arriving line says: `{speaker, text, whispered}`, or undefined if nobody says it. */
export function read(line) {
  const said = /^<(\w{1,16})> (.+)$/s.exec(line);
  if (said !== null) return { speaker: said[1], text: said[2], whispered: false };
  const whispered = /^(\w{1,16}) whispers to you: (.+)$/s.exec(line);
  if (whispered !== null) return { speaker: whispered[1], text: whispered[2], whispered: true };
  return undefined;
}

function oneLine(text) {
  return text.replaceAll(/\s+/g, " ").trim();
}

function cut(word, limit) {
  return word.length <= limit ? [word] : (word.match(new RegExp(`.{1,${limit}}`, "gsu")) ?? []);
}
