/** Villager mobs with a name: bodies that the server itself moves. */

import { Vec3 } from "vec3";

import { EARSHOT } from "../places.js";
import { speak } from "./earshot.js";
import { whisper } from "./tell.js";

const STEP = 0.2; // blocks
const STEP_MS = 50;

export class Mobs {
  #byName = new Map();

  constructor(serv, tell) {
    this.serv = serv;
    this.tell = tell;
  }

  spawn(name, { x, y, z }) {
    const { registry } = this.serv;
    const kind = registry.entitiesByName.villager;
    // From 1.17 on the registry lists mobs under another name than the one that flying-squid looks them up by.
    registry.mobs ??= {};
    registry.mobs[kind.id] ??= kind;
    const mob = this.serv.spawnMob(kind.id, this.serv.overworld, new Vec3(x, y, z), {
      metadata: [
        { key: 2, type: "optional_component", value: JSON.stringify({ text: name }) },
        { key: 3, type: "boolean", value: true },
      ],
    });
    delete mob.size; // without one it is left where it is: flying-squid's gravity makes mobs hop
    this.#byName.set(name, mob);
  }

  find(name) {
    return this.#byName.get(name);
  }

  nameOf(entity) {
    for (const [name, mob] of this.#byName) if (mob === entity) return name;
    return undefined;
  }

  say(name, text) {
    speak(this.serv, this, name, this.#get(name).position, text);
  }

  whisper(name, player, text) {
    if (!whisper(this.serv, name, player, text)) throw new Error(`${player} is gone.`);
  }

  /** Words in the ears of those near, but for the speaker's own. */
  hear(speaker, position, text) {
    for (const [name, mob] of this.#byName) {
      const distance = mob.position.distanceTo(position);
      if (name !== speaker && distance <= EARSHOT) this.tell({ type: "heard", name, speaker, text, distance });
    }
  }

  /** Whether there is a mob called `name`, which has heard it then. */
  whisperTo(name, speaker, text) {
    const known = this.#byName.has(name);
    if (known) this.tell({ type: "whispered", name, speaker, text });
    return known;
  }

  look(name, { x, z }) {
    const mob = this.#get(name);
    const degrees = (Math.atan2(-(x - mob.position.x), z - mob.position.z) * 180) / Math.PI;
    mob.yaw = Math.round((degrees * 256) / 360) << 24 >> 24; // a byte that counts 1/256 of a turn
    mob._writeOthersNearby("entity_head_rotation", { entityId: mob.id, headYaw: mob.yaw });
    mob._writeOthersNearby("entity_look", { entityId: mob.id, yaw: mob.yaw, pitch: 0, onGround: true });
  }

  /** Walk there in a straight line. Resolves once it has arrived. */
  async walk(name, { x, z }) {
    const mob = this.#get(name);
    this.look(name, { x, z });
    for (;;) {
      const left = new Vec3(x - mob.position.x, 0, z - mob.position.z);
      if (left.norm() <= STEP) return;
      await mob.sendPosition(mob.position.plus(left.scaled(STEP / left.norm())), true);
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
  }

  /** A gesture that one sees: it turns its head, or hops. */
  async emote(name, gesture) {
    const mob = this.#get(name);
    if (gesture === "jump") {
      const ground = mob.position.clone();
      await mob.sendPosition(ground.offset(0, 1, 0), false);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await mob.sendPosition(ground, true);
      return;
    }
    const SHAKE = { wave: [30, -30, 0], nod: [10, -10, 0], bow: [0, 20, 0] }[gesture] ?? [15, 0];
    for (const turn of SHAKE) {
      mob._writeOthersNearby("entity_head_rotation", { entityId: mob.id, headYaw: (mob.yaw + turn) << 24 >> 24 });
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }

  #get(name) {
    const mob = this.#byName.get(name);
    if (mob === undefined) throw new Error(`There is no mob called ${name}.`);
    return mob;
  }
}
