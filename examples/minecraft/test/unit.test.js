import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { beside } from "../village/actions/walk_to.js";
import { Address } from "../village/address.js";
import { CHAT_LIMIT, read, split } from "../village/chat.js";
import { Hearing } from "../village/hearing.js";

describe("chat lines", () => {
  it("break between sentences", () => {
    assert.deepEqual(split("One two. Three four! Five?", 12), ["One two.", "Three four!", "Five?"]);
    assert.deepEqual(split("One two. Three.", 40), ["One two. Three."]);
  });

  it("break between words where a sentence is too long, and inside one that is longer than a line", () => {
    assert.deepEqual(split("one two three", 8), ["one two", "three"]);
    assert.deepEqual(split("abcdefghij", 4), ["abcd", "efgh", "ij"]);
  });

  it("lose nothing and never pass the limit", () => {
    const text = Array.from({ length: 90 }, (_, n) => `Word${n}${n % 7 ? "" : "."}`).join(" ");
    const lines = split(text);
    assert.ok(lines.length > 1);
    assert.ok(lines.every((line) => line.length <= CHAT_LIMIT));
    assert.equal(lines.join(" "), text);
  });

  it("hold no line breaks, and there is none for nothing", () => {
    assert.deepEqual(split("a\nb"), ["a b"]);
    assert.deepEqual(split("  "), []);
  });

  it("say who speaks, and whether in a whisper", () => {
    assert.deepEqual(read("<Mira> Mira2 whispers to you: hm"), { speaker: "Mira", text: "Mira2 whispers to you: hm", whispered: false });
    assert.deepEqual(read("Mira whispers to you: psst"), { speaker: "Mira", text: "psst", whispered: true });
    assert.equal(read("Mira joined the game."), undefined);
  });
});

describe("hearing", () => {
  async function heard(...words) {
    const lines = [];
    const hearing = new Hearing((line) => lines.push(line));
    for (const word of words) hearing.hear(...word);
    await new Promise((resolve) => setTimeout(resolve, 150));
    return lines.map(({ heard, ...line }) => ({ ...line, heard: Object.fromEntries(heard) }));
  }

  it("makes one line of what reaches many ears", async () => {
    assert.deepEqual(await heard(["rowan", "Mira", "Hi", 3], ["nell", "Mira", "Hi", 5]), [
      { speaker: "Mira", text: "Hi", heard: { rowan: 3, nell: 5 } },
    ]);
  });

  it("joins a line that came in parts, and keeps speakers apart", async () => {
    assert.deepEqual(await heard(["rowan", "Mira", "Once", 3], ["rowan", "Bo", "No", 1], ["rowan", "Mira", "more", 3]), [
      { speaker: "Mira", text: "Once more", heard: { rowan: 3 } },
      { speaker: "Bo", text: "No", heard: { rowan: 1 } },
    ]);
  });
});

describe("a line is meant for", () => {
  const names = new Map([["ivo", "Ivo"], ["nell", "Nell"]]);
  const near = new Map([["ivo", 9], ["nell", 4]]);

  it("whom it names, in whole words", () => {
    assert.equal(new Address(names).of("Mira", "What do you say, ivo?", near), "ivo");
    assert.equal(new Address(names).of("Mira", "Ivory is white.", near), "nell");
  });

  it("the nearest, and then whom one talks with already", () => {
    let now = 0;
    const address = new Address(names, () => now);
    assert.equal(address.of("Mira", "Ivo!", near), "ivo");
    assert.equal(address.of("Mira", "And then?", near), "ivo");
    assert.equal(address.of("Bo", "And then?", near), "nell");
    now = 60_000;
    assert.equal(address.of("Mira", "Hello?", near), "nell");
  });

  it("nobody who does not hear it", () => {
    assert.equal(new Address(names).of("Mira", "Ivo!", new Map([["nell", 4]])), "nell");
    assert.equal(new Address(names).of("Mira", "Ivo!", new Map()), undefined);
  });
});

describe("beside somebody", () => {
  it("is a few steps short of them, and where one is already", () => {
    assert.deepEqual(beside({ x: 0, y: 5, z: 0 }, { x: 10, y: 5, z: 0 }), { x: 7.5, y: 5, z: 0 });
    assert.deepEqual(beside({ x: 1, y: 5, z: 0 }, { x: 2, y: 5, z: 0 }), { x: 1, y: 5, z: 0 });
  });
});
