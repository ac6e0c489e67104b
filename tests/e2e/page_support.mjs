// What the checks of the page share: servers of their own, questions by another client, a browser.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Prints a line, ok where `action` neither throws nor is false. */
export async function check(name, action) {
  const began = performance.now();
  let reason = "";
  try {
    if ((await action()) === false) reason = "it is not so";
  } catch (error) {
    reason = String(error.message ?? error)
      .split("\n")
      .slice(0, 12)
      .join("\n        ");
  }
  const took = process.env.E2E_TIMES
    ? ` (${Math.round(performance.now() - began)} ms)`
    : "";
  console.log(`${reason ? "FAILED " : "ok     "} ${name}${took}${reason ? `: ${reason}` : ""}`);
  return reason === "";
}

export function same(seen, wanted) {
  const [left, right] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${left.slice(0, 400)}, wanted ${right.slice(0, 400)}`);
}

export async function until(condition, what, seconds = 10) {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** A daybook with data of its own. */
export class Server {
  constructor(daybook, address, data, flags, log) {
    Object.assign(this, { daybook, address, data, flags, log });
  }

  async start(more = []) {
    const args = ["serve", "--listen", this.address, "--data-dir", this.data];
    const log = openSync(this.log, "a");
    const seed = ["--seed-users", "50", "--seed-transactions", "5000", "--seed-days", "5"];
    const child = spawn(this.daybook, [...args, ...seed, ...this.flags, ...more], {
      stdio: ["ignore", log, log],
    });
    this.process = child;
    await until(() => this.answers() || child.exitCode !== null, `${this.data} serves`, 60);
    if (child.exitCode !== null) throw new Error(`daybook ended with ${child.exitCode}`);
  }

  answers() {
    return this.run(["health", "--address", `http://${this.address}`]) !== undefined;
  }

  /** What another command of daybook's prints about the same data; undefined if it fails. */
  run(args) {
    const env = { ...process.env, DAYBOOK_DATA_DIR: this.data };
    try {
      return execFileSync(this.daybook, args, {
        env,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    } catch {
      return undefined;
    }
  }

  async stop(signal = "SIGTERM") {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode) return;
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }
}

/**
 * Runs a line that the page copied, as a shell does, and reads what comes back. Where there is no
 * grpcurl, buf takes its place: it asks the same method of the same address with the same JSON.
 */
export function runLine(line, tools) {
  const stand_in = `grpcurl() {
    local data='{}' headers=() address method
    while [ $# -gt 0 ]; do
      case $1 in
        -plaintext) ;;
        -d) data=$2; shift ;;
        -H) headers+=(-H "$2"); shift ;;
        *) if [ -z "$address" ]; then address=$1; else method=$1; fi ;;
      esac
      shift
    done
    buf curl --protocol grpc --http2-prior-knowledge "\${headers[@]}" -d "$data" "http://$address/$method"
  }`;
  const script = `command -v grpcurl >/dev/null || ${stand_in}\n${line}`;
  const env = { ...process.env, PATH: `${join(tools, "bin")}:${process.env.PATH}` };
  const asked = spawnSync("bash", ["-c", script], { env, encoding: "utf8" });
  if (asked.status !== 0) throw new Error(`${line}: ${asked.stderr}`);
  return JSON.parse(asked.stdout);
}

/** The browser, and what is read into its pages to judge them. */
export async function startBrowser(tools) {
  const require = createRequire(join(tools, "npm/"));
  const { chromium } = require("playwright-core");
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_EXE ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  return { browser, axe };
}

/** A tab that keeps what its console and its policy complain about. */
export async function openTab(browser, address, options = {}) {
  const context = await browser.newContext({
    baseURL: `http://${address}`,
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  return { context, page, complaints };
}

/** Numbers in the order in which they stand, as the server said them. */
export async function numbers(page, selector) {
  return page.locator(selector).evaluateAll((found) =>
    found.map((element) => {
      const copy = element.cloneNode(true);
      for (const unit of copy.querySelectorAll(".unit")) unit.remove();
      return copy.textContent.trim();
    }),
  );
}
