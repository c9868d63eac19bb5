import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { type Client, connect } from "npc-engine";

import { Served } from "./served.js";

describe("actions", () => {
  let served: Served;
  let client: Client;

  before(async () => {
    served = await Served.start("--mock-pace", "0");
    client = await connect(served.url);
  });

  after(async () => {
    client?.close();
    await served?.end();
  });

  it("run when an NPC takes them, with arguments that fit, and the NPC learns what came of it", async () => {
    const hesta = await client.spawn("hesta", { persona: "hesta" });
    const taken: string[] = [];
    await hesta.actions({
      pour: {
        description: "Pour a drink.",
        schema: { type: "object", properties: { drink: { enum: ["ale", "milk"] } }, required: ["drink"] },
        run: ({ drink }) => {
          taken.push(drink);
          return `A mug of ${drink} stands on the table.`;
        },
      },
    });
    // Without a model actions are taken at random: ask until one is.
    for (let times = 0; times < 30 && taken.length === 0; times++) {
      await hesta.say("Mira", `Drink number ${times + 1}, please.`);
    }
    assert.ok(["ale", "milk"].includes(taken.at(0) ?? ""), "no action in 30 lines");
    const remembered = async () => (await hesta.inspect()).journal.some(({ text }) => text.includes("stands on the table"));
    for (let times = 0; times < 50 && !(await remembered()); times++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(await remembered());
  });

  it("that are no JSON Schema the server can keep to are refused", async () => {
    await assert.rejects(
      client.actions({ odd: { description: "Odd.", schema: { type: "no such type" }, run: () => {} } }),
      { code: "schema_unsupported" },
    );
  });

  it("can be taken back", async () => {
    await client.actions({ wave: { description: "Wave.", run: () => {} } });
    await client.removeActions(["wave"]);
  });

  it("are not the only way to choose: a decision fits its schema", async () => {
    await client.spawn("bram", { persona: "bram" });
    const value = await client.decide("bram", "Do you sail today?", { enum: ["yes", "no"] });
    assert.ok(value === "yes" || value === "no", JSON.stringify(value));
  });
});
