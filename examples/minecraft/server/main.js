/** The Minecraft server, a process of its own: `fork`ed, it says `ready` and is then told things by messages. */

import { createRequire } from "node:module";

import { Vec3 } from "vec3";

import { PLACES, spot, VILLAGERS } from "../places.js";
import { build } from "./buildings.js";
import { hearClicks } from "./clicks.js";
import { carryVoices } from "./earshot.js";
import { Mobs } from "./mobs.js";
import { showAll } from "./sight.js";
import { addTell } from "./tell.js";
import { holdToTeleports } from "./teleports.js";
import { addVisit } from "./visit.js";
import { sendTabList } from "./tab_list.js";
import { throwTo } from "./throw.js";

// It is written for CommonJS, and its plugins find each other by its name.
const { createMCServer } = createRequire(import.meta.url)("flying-squid");

const [port = "25565", host = "127.0.0.1"] = process.argv.slice(2);

const serv = createMCServer({
  host,
  port: Number(port),
  version: "1.20.1",
  motd: "A village of NPC Engine",
  "max-players": 64,
  "max-entities": 400,
  "online-mode": false,
  "everybody-op": false,
  "view-distance": 6,
  "player-list-text": { header: { text: "The village" }, footer: { text: "/tell NAME to whisper, /visit PLACE to go" } },
  gameMode: 1,
  difficulty: 0,
  kickTimeout: 30_000,
  logging: false,
  plugins: {},
  generation: { name: "superflat", options: {} },
});

const tell = (message) => process.send?.(message);
const mobs = new Mobs(serv, tell);
const orders = {
  "mob.spawn": ({ name, place }) => mobs.spawn(name, spot(place)),
  "mob.say": ({ name, text }) => mobs.say(name, text),
  "mob.whisper": ({ name, player, text }) => mobs.whisper(name, player, text),
  "mob.look": ({ name, at }) => mobs.look(name, at),
  "mob.walk": ({ name, to }) => mobs.walk(name, to),
  "mob.emote": ({ name, gesture }) => mobs.emote(name, gesture),
  throw: ({ from, item, player }) => throwTo(serv, mobs, from, item, player),
};

carryVoices(serv, mobs);
hearClicks(serv, mobs, tell);
addTell(serv, mobs);
addVisit(serv);
sendTabList(serv);
showAll(serv);
holdToTeleports(serv);

serv.on("newPlayer", (player) => {
  const villager = VILLAGERS.find(({ name }) => name === player._client.username);
  const { x, y, z } = spot(villager?.home ?? "well");
  player.playSoundAtSelf = () => {}; // it is laid out as before 1.19.3, and clients choke on it
  player.findSpawnPoint = async () => {
    player.spawnPoint = new Vec3(x, y, z);
  };
});
serv.on("error", (error) => console.error(`minecraft: ${error.message}`));
serv.on("ready", async () => {
  await build(serv, PLACES);
  tell({ type: "ready", port: serv.listeningPort ?? Number(port) });
});

// Each order is answered under its number, with what came of it.
process.on("message", async ({ number, type, ...order }) => {
  try {
    tell({ type: "done", number, value: await orders[type](order) });
  } catch (error) {
    tell({ type: "done", number, error: error.message });
  }
});
process.on("disconnect", () => process.exit(0)); // whoever started it is gone
