/** `npm start`, as somebody would who wants to play. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

import { Player } from "./player.js";

it("one command starts all of it, and Ctrl-C ends all of it", { skip: process.platform === "win32" }, async () => {
  const data = await mkdtemp(join(tmpdir(), "npc-start-"));
  const start = fileURLToPath(new URL("../start.js", import.meta.url));
  const child = spawn(process.execPath, [start, "--port", "0", "--model", "mock", "--data", data], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const port = await listening(child);
    const player = await Player.join("Dan", { host: "127.0.0.1", port });
    player.say("Good day, Rowan!");
    await player.sees(/^<Rowan> /);
    player.body.leave();
    const started = descendants(child.pid);
    assert.ok(started.length >= 2, "the engine and the Minecraft server");
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
    assert.deepEqual(started.filter(alive), []);
  } finally {
    child.kill("SIGKILL");
    await rm(data, { recursive: true, force: true });
  }
});

async function listening(child) {
  for await (const line of createInterface(child.stdout)) {
    const port = /Join 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error("It ended before the village was open.");
}

function descendants(pid) {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const parents = new Map(rows.map((row) => row.trim().split(/\s+/).map(Number)));
  const under = (each) => parents.has(each) && (parents.get(each) === pid || under(parents.get(each)));
  return [...parents.keys()].filter(under);
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
