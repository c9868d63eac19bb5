import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { type Browser, chromium } from "playwright-core";

import { Served } from "./served.js";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

const PAGE = `<!doctype html>
<script type="importmap">
  {"imports": {"npc-engine": "/dist/browser.js", "@msgpack/msgpack": "/node_modules/@msgpack/msgpack/dist.esm/index.mjs"}}
</script>
<script type="module">
  import { connect } from "npc-engine";
  window.talk = async (url, format) => {
    const village = await connect(url, { format });
    const greta = await village.spawn("greta-" + format, { persona: "greta" });
    const pieces = [];
    for await (const piece of greta.say("Mira", "Good morning!")) pieces.push(piece);
    const { journal } = await greta.inspect();
    village.close();
    return { pieces, journal };
  };
  window.refused = (url) => connect(url).then(() => "let in", (error) => error.code);
  window.ready = true;
</script>`;

/** The package's files and the page, as a web server would have them. */
function site(): Server {
  return createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://site").pathname;
    const file = join(PACKAGE, path);
    if (path === "/") response.setHeader("Content-Type", "text/html").end(PAGE);
    else if (file.startsWith(PACKAGE) && existsSync(file)) response.setHeader("Content-Type", "text/javascript").end(readFileSync(file));
    else response.writeHead(404).end();
  });
}

describe("a page in a real browser", { skip: existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}` }, () => {
  let web: Server;
  let origin: string;
  let served: Served;
  let browser: Browser;

  before(async () => {
    web = site().listen(0, "127.0.0.1");
    await once(web, "listening");
    origin = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    served = await Served.start("--origin", origin);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  });

  after(async () => {
    await browser?.close();
    await served?.end();
    web?.close();
  });

  async function open(): Promise<import("playwright-core").Page> {
    const page = await browser.newPage();
    await page.goto(origin);
    await page.waitForFunction("window.ready");
    return page;
  }

  for (const format of ["msgpack", "json"]) {
    it(`talks to an NPC in ${format}`, async () => {
      const page = await open();
      type Talk = { pieces: string[]; journal: { speaker: string; text: string }[] };
      const { pieces, journal } = await page.evaluate<Talk>(`talk(${JSON.stringify(served.url)}, "${format}")`);
      assert.ok(pieces.length > 1);
      assert.deepEqual(journal.map(({ text }) => text), ["Good morning!", pieces.join("")]);
    });
  }

  it("is refused by a server that was not told about it", async () => {
    const strict = await Served.start();
    try {
      const page = await open();
      assert.equal(await page.evaluate(`refused(${JSON.stringify(strict.url)})`), "unreachable");
    } finally {
      await strict.end();
    }
  });
});
