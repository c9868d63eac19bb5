/** `npc-engine serve` of this checkout in a process of its own, from when it listens until `end`. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
// Without a model, and as slow as one, so that something can happen while an NPC speaks.
const MOCK = ["--model", "mock", "--mock-pace", "0.02"];
const STARTS_WITHIN_MS = 90_000;

export class Served {
  private constructor(
    private readonly process: ChildProcess,
    private readonly data: string,
    readonly url: string,
  ) {}

  static async start(...flags: string[]): Promise<Served> {
    const data = await mkdtemp(join(tmpdir(), "npc-engine-js-"));
    const server = spawn(
      python(),
      ["-m", "npc_engine.cli", "serve", "--port", "0", "--http-port", "0", "--data", data, ...MOCK, ...flags],
      { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
    );
    let errors = "";
    server.stderr.on("data", (text: Buffer) => (errors += text.toString()));
    const late = setTimeout(() => server.kill("SIGKILL"), STARTS_WITHIN_MS);
    const [line] = (await Promise.race([
      once(createInterface(server.stdout), "line"),
      once(server, "exit").then(() => [""]),
    ])) as [string];
    clearTimeout(late);
    const served = new Served(server, data, /listening on (ws:\S+)/.exec(line)?.[1] ?? "");
    if (served.url) return served;
    await served.end();
    throw new Error(`npc-engine serve did not start: ${line} ${errors}`);
  }

  get port(): string {
    return new URL(this.url).port;
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, "exit");
    }
    await rm(this.data, { recursive: true, force: true });
  }
}

/** The interpreter of the checkout's environment, or the one that NPC_ENGINE_PYTHON names. */
function python(): string {
  const own = [".venv/bin/python", ".venv/Scripts/python.exe"].map((path) => join(ROOT, path)).find(existsSync);
  return process.env["NPC_ENGINE_PYTHON"] ?? own ?? "python3";
}
