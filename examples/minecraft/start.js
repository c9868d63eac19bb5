/** One command for all of it: the engine, the Minecraft server, and those who live in the village. */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Engine } from "./engine.js";
import { Minecraft } from "./minecraft.js";
import { Village } from "./village/village.js";

const GOSSIP_EVERY_MS = 30_000;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "25565" },
    host: { type: "string", default: "127.0.0.1" },
    data: { type: "string", default: fileURLToPath(new URL("npc-data", import.meta.url)) },
    model: { type: "string", default: "default" },
  },
});

const stops = [];
let stopping = false;

async function stop(code) {
  if (stopping) return;
  stopping = true;
  for (const each of stops.reverse()) await each();
  process.exit(code);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(0));

try {
  console.log("Starting the engine ...");
  const engine = await Engine.start({ data: values.data, flags: ["--model", values.model] });
  stops.push(() => engine.end());
  const minecraft = await Minecraft.start({ host: values.host, port: Number(values.port) });
  stops.push(() => minecraft.end());
  const village = await Village.open(engine.url, minecraft);
  stops.push(() => village.close());
  void village.gossip.run(GOSSIP_EVERY_MS);
  console.log(`The village is open. Join ${minecraft.host}:${minecraft.port} with Minecraft: Java Edition 1.20.1.
Say something near a villager, right-click one, or whisper with /tell NAME; /visit PLACE takes you about.
Ctrl-C ends it.`);
} catch (error) {
  console.error(error.message);
  await stop(1);
}
