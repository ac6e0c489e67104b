// The dashboard's page in a real browser: node tests/e2e/page.mjs DAYBOOK SCRATCH TOOLS [PICTURES].
// Starts servers of its own, and prints a line a check, with its time where E2E_TIMES is set.
// Leaves a picture of each view in light, in dark and on a phone in the folder PICTURES.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Server,
  check,
  freePort,
  numbers,
  openTab,
  runLine,
  same,
  startBrowser,
  until,
} from "./page_support.mjs";

const [daybook, scratch, tools, shots] = process.argv.slice(2);
const VIEWS = ["overview", "user", "rank", "tokens", "prices", "health"];

async function open(page, hash) {
  await page.goto(`/${hash}`);
  await settled(page);
}

/** Nothing is loading any more. */
async function settled(page) {
  await page.waitForFunction(() => {
    const isThere = document.querySelector("main .view, main form") !== null;
    return isThere && document.querySelectorAll(".skeleton, [aria-busy]").length === 0;
  });
}

/** The line that a part's button copies. */
async function copiedLine(page, part, nth = 0) {
  await page.locator(part).locator("button.copy").nth(nth).click();
  return page.evaluate(() => navigator.clipboard.readText());
}

async function overviewAgrees(page) {
  await open(page, "#/overview?last=all");
  const [volume, count] = await numbers(page, ".hero .figure-value .num");
  const total = runLine(await copiedLine(page, ".hero"), tools).series[0].buckets[0];
  same([volume, count], [total.sumAmount, total.transactionCount]);
  same(count, "5000");
  const part = page.locator("section.panel", { hasText: "Top senders" });
  const rows = runLine(await copiedLine(page, 'section[aria-label="Top senders"]'), tools).rows;
  same(
    await part.locator("tbody a").allTextContents(),
    rows.map(({ username }) => username),
  );
  same(
    await numbers(page, 'section[aria-label="Top senders"] .barred .num'),
    rows.map(({ value }) => value),
  );
}

async function seriesAgrees(page) {
  const part = 'section[aria-label="Flow over time"]';
  const { buckets } = runLine(await copiedLine(page, part), tools).series[0];
  await page.locator(`${part} summary`).click();
  await page.locator(`${part} td`).first().waitFor();
  const seen = await numbers(page, `${part} td .num`);
  same(
    seen,
    buckets.flatMap(({ sumAmount, transactionCount = "0" }) => [sumAmount, transactionCount]),
  );
}

async function userAgrees(page) {
  await open(page, "#/user?last=all");
  const username = await page.locator("tbody a").first().textContent();
  await page.getByRole("combobox", { name: "Find a user" }).fill(username);
  await page.locator('[role="listbox"] [role="option"]').first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".who-name").waitFor();
  await settled(page);
  for (const [label, field] of [
    ["Sent", "sumAmount"],
    ["Received", "sumAmount"],
    ["Balance", "balance"],
  ]) {
    const part = `section[aria-label="${label}"]`;
    const answer = runLine(await copiedLine(page, part), tools);
    same(await numbers(page, `${part} .figure-value .num`), [answer[field]]);
  }
  const list = 'section[aria-label="Newest transactions"]';
  const wanted = runLine(await copiedLine(page, list), tools).transactions.map(
    ({ transaction }) => transaction.amount,
  );
  same(await numbers(page, `${list} td .num`), wanted);
  const sizes = 'section[aria-label="Sizes of transactions"]';
  const { transactionCount } = runLine(await copiedLine(page, sizes), tools);
  const said = await numbers(page, `${sizes} p .num`);
  same(said[2], transactionCount);
}

/** By letters from the middle of a display name, in capitals; and by nobody's. */
async function nameIsFound(page, server) {
  const list = `grpcurl -plaintext -d '{"page_size": 1}' ${server.address}`;
  const [{ userUuid, username, name }] = runLine(
    `${list} daybook.v1.LedgerService/ListUsers`,
    tools,
  ).users;
  await open(page, "#/user");
  const field = page.getByRole("combobox", { name: "Find a user" });
  await field.fill(name.slice(1, -1).toUpperCase());
  const option = page.locator('[role="option"]', { hasText: userUuid });
  await option.waitFor();
  if (shots) await page.screenshot({ path: join(shots, "search-light.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  if (shots) await page.screenshot({ path: join(shots, "search-dark.png") });
  await page.emulateMedia({ colorScheme: "light" });
  same(await option.locator("span").allTextContents(), [username, name, userUuid]);
  await option.click();
  await page.waitForURL(new RegExp(`user=${userUuid}`));
  await open(page, "#/user");
  await field.fill("%");
  await page.locator('[role="option"]', { hasText: "Nobody is called that" }).waitFor();
  await field.fill("a");
  await page.locator('[role="option"]', { hasText: "And more: type on" }).waitFor();
  same(await page.locator('[role="option"]').count(), 9);
}

async function pagesTurn(page) {
  const list = 'section[aria-label="Newest transactions"]';
  const first = await numbers(page, `${list} td .num`);
  await page.locator(`${list} .pager button`, { hasText: "Next" }).click();
  await page.waitForURL(/page=/);
  await settled(page);
  const second = await numbers(page, `${list} td .num`);
  const wanted = runLine(await copiedLine(page, list), tools).transactions.map(
    ({ transaction }) => transaction.amount,
  );
  same(second, wanted);
  await page.goBack();
  await until(
    async () => JSON.stringify(await numbers(page, `${list} td .num`)) === JSON.stringify(first),
    "back shows the first page",
  );
}

async function rankAgrees(page) {
  await open(page, "#/rank?last=all&metric=avg&order=bottom&side=receiver");
  const part = 'section[aria-label="Ranking"]';
  const line = await copiedLine(page, part);
  if (!/RANK_METRIC_AVG.*RANK_ORDER_BOTTOM/.test(line)) throw new Error(line);
  const { rows } = runLine(line, tools);
  same(
    await numbers(page, `${part} td:nth-child(4) .num`),
    rows.map(({ value }) => value),
  );
  same(await page.getByLabel("By").inputValue(), "avg");
  await page.getByRole("combobox", { name: "Where does this user stand?" }).fill(rows[3].username);
  await page.locator('[role="listbox"] [role="option"]').first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".me a").waitFor();
  await settled(page);
  same(await page.locator(".me a").textContent(), rows[3].username);
  same((await numbers(page, ".me strong .num"))[0], rows[3].rank);
}

async function pricesAgree(page) {
  await open(page, "#/prices");
  const chart = 'section[aria-label="24 hours"]';
  const { bars } = runLine(await copiedLine(page, chart), tools);
  same(await numbers(page, `${chart} .figure-value .num`), [bars.at(-1).close]);
  const ranking = 'section[aria-label="Symbols"]';
  const { rows } = runLine(await copiedLine(page, ranking), tools);
  same(
    await page.locator(`${ranking} tbody a`).allTextContents(),
    rows.map(({ symbol }) => symbol),
  );
}

const TOKEN = "network=evm-31337&contract=0x00000000000000000000000000000000000000c0";

/** Holders as they were answered, and put in another order by a click. */
async function tokenAgrees(page) {
  await open(page, "#/tokens");
  await page.locator("tbody a", { hasText: "Harbour Coin" }).click();
  await page.locator(".token").waitFor();
  await settled(page);
  const part = 'section[aria-label="Holders"]';
  const { holders, supply } = runLine(await copiedLine(page, part), tools);
  same((await numbers(page, ".figures .num"))[0], supply);
  same(
    await numbers(page, `${part} td:nth-child(3) .num`),
    holders.map(({ balance }) => balance),
  );
  same(
    await numbers(page, `${part} td:nth-child(4) .num`),
    holders.map(({ sharePercent }) => sharePercent),
  );
  same(await page.locator(`${part} .pager button:not([disabled])`).count(), 1);
  await page.getByText("A heading puts the rows of this page alone").waitFor();
  await page.locator(`${part} th button`, { hasText: "Change" }).click();
  const changes = (await numbers(page, `${part} td:nth-child(5) .num`)).map(Number);
  same(
    changes,
    [...changes].sort((a, b) => b - a),
  );
  const list = 'section[aria-label="Transfers"]';
  const { transfers } = runLine(await copiedLine(page, list), tools);
  same(
    await numbers(page, `${list} td:last-child .num`),
    transfers.map(({ amount }) => amount),
  );
}

/** Where a wallet is not synced up to the window's end, a part is answered if it is asked for. */
async function partialIsAsked(page, server, user) {
  const ask = (method, request) =>
    runLine(`grpcurl -plaintext -d '${request}' ${server.address} daybook.v1.${method}`, tools);
  const [, { account }] = ask("LedgerService/ListAccounts", '{"network": "evm-31337"}').accounts;
  ask("LedgerService/AddWallet", JSON.stringify({ user_uuid: user, account }));
  const asset = TOKEN.replace("network=", "").replace("&contract=", ":");
  await open(page, `#/user?last=all&user=${user}&asset=${asset}`);
  await page.getByText("Not synced up to here").first().waitFor();
  await page.getByRole("button", { name: "Answer anyway" }).first().click();
  await page.getByText("Rows may be missing").first().waitFor();
  const part = 'section[aria-label="Received"]';
  const answer = runLine(await copiedLine(page, part), tools);
  same(await numbers(page, `${part} .figure-value .num`), [answer.sumAmount]);
  await page.getByRole("button", { name: "Answers of what is synced" }).click();
  await page.getByText("Not synced up to here").first().waitFor();
}

/** What is recorded while somebody looks is there without loading the page anew. */
async function overviewFollows(page, address, seen) {
  await open(page, "#/overview?last=all");
  const bank = (number) => ({ network: "bank", address: `DE7551210800124512619${number}` });
  const occurred_at = new Date(Date.now() - 86_400_000).toISOString();
  const transaction = { occurred_at, amount: "1000000", sender: bank(1), receiver: bank(2) };
  const request = JSON.stringify({ transaction, create_accounts: true });
  await until(
    async () => (await numbers(page, ".hero .num"))[1] === seen,
    "it shows what was there",
  );
  runLine(
    `grpcurl -plaintext -d '${request}' ${address} daybook.v1.IngestService/RecordTransaction`,
    tools,
  );
  const wanted = String(Number(seen) + 1);
  await page.locator(".numbers summary").click();
  await page.locator(".u-over").hover();
  await until(async () => (await numbers(page, ".hero .num"))[1] === wanted, "it shows what came");
  // What somebody points at, opened or stands on stays as it is.
  same(await page.locator(".chart-tip:visible, .numbers .table-frame").count(), 2);
  same(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
}

async function alertsFollow(page, server) {
  await open(page, "#/prices");
  await page.getByText("No alerts yet").waitFor();
  const ask = (method, request) =>
    runLine(`grpcurl -plaintext -d '${request}' ${server.address} daybook.v1.${method}`, tools);
  const [{ userUuid: user }] = ask("LedgerService/ListUsers", '{"page_size": 1}').users;
  const settings = { name: "Dear", symbol: "ethbtc", condition: { above: { price: "0.5" } } };
  const request = JSON.stringify({ user_uuid: user, settings });
  ask("PriceService/CreateAlertRule", request);
  const file = join(scratch, "dear.csv");
  writeFileSync(file, "symbol,timestamp,price\nethbtc,2018-01-10T06:00:00Z,0.75\n");
  server.run(["import", "--prices", file, "--tick-interval", "300"]);
  await page.locator('section[aria-label="Alerts"] tbody tr').waitFor();
  const row = await page.locator('section[aria-label="Alerts"] tbody').innerText();
  if (!/Fires.*ethbtc.*Dear/s.test(row)) throw new Error(row);
  same((await numbers(page, 'section[aria-label="Alerts"] td .num'))[0], "0.75");
}

/** A tick that comes is in the chart, in place; who does not hear of any is told. */
async function pricesFollow(page, server) {
  const chart = 'section[aria-label="24 hours"]';
  await open(page, "#/prices?symbol=ethbtc");
  await page.locator(`${chart} .panel-note`, { hasText: "Live · up to" }).waitFor();
  await page.locator(`${chart} summary`).click();
  await page.locator(`${chart} .u-over`).hover();
  await page.evaluate(() => (globalThis.before = document.querySelector(".chart canvas")));
  const ticks = (await numbers(page, `${chart} td:last-child .num`)).map(Number);
  const file = join(scratch, "later.csv");
  writeFileSync(file, "symbol,timestamp,price\nethbtc,2018-01-10T23:59:59Z,0.8125\n");
  server.run(["import", "--prices", file, "--tick-interval", "300"]);
  const shown = () => numbers(page, `${chart} .figure-value .num`);
  await until(async () => (await shown())[0] === "0.8125", "the chart shows what came");
  const sum = (list) => list.reduce((all, one) => all + one, 0);
  const after = (await numbers(page, `${chart} td:last-child .num`)).map(Number);
  same(sum(after), sum(ticks) + 1);
  same(await page.locator(".chart-tip:visible").count(), 1);
  const isSame = () => globalThis.before === document.querySelector(".chart canvas");
  same(await page.evaluate(isSame), true);
  const { bars } = runLine(await copiedLine(page, chart), tools);
  same(await shown(), [bars.at(-1).close]);
  await page.route("**/ListSymbols", (route) => route.abort());
  await page.locator(`${chart} .panel-note`, { hasText: "Stale · up to" }).waitFor();
  await page.unroute("**/ListSymbols");
  await page.locator(`${chart} .panel-note`, { hasText: "Live · up to" }).waitFor();
}

async function healthAgrees(page) {
  await open(page, "#/health");
  const status = runLine(await copiedLine(page, 'section[aria-label="Days"]'), tools);
  const [rows] = await numbers(page, ".tile .figure-value .num");
  same(rows, status.transactionCount);
  same(await page.locator(".calendar .day").count(), status.days.length);
}

async function dragZooms(page) {
  await open(page, "#/overview?last=all");
  const before = page.url();
  const box = await page.locator(".u-over").boundingBox();
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.3, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, middle, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  await until(async () => (await numbers(page, ".hero .num"))[1] !== "5000", "the figures follow");
  const [, count] = await numbers(page, ".hero .figure-value .num");
  const total = runLine(await copiedLine(page, ".hero"), tools).series[0].buckets[0];
  same(count, total.transactionCount);
  await page.goBack();
  same(page.url(), before);
  await until(
    async () => (await numbers(page, ".hero .num"))[1] === "5000",
    "back shows all again",
  );
}

async function rangeIsChosen(page) {
  await open(page, "#/overview?last=all");
  await page.locator(".window-button").click();
  const day = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
  await page.getByLabel("From").fill(`${day}T00:00`);
  await page.getByLabel("To, not included").fill(`${day}T12:00`);
  await page.getByLabel("Time zone", { exact: true }).fill("Asia/Kathmandu");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(/tz=Asia%2FKathmandu/);
  const params = () => new URLSearchParams(new URL(page.url()).hash.split("?")[1]);
  const from = params().get("from");
  same(from, new Date(Date.parse(`${day}T00:00:00+05:45`)).toISOString().replace(".000", ""));
  // Another zone alone leaves the window where it is.
  await page.locator(".window-button").click();
  await page.getByLabel("Time zone", { exact: true }).fill("America/New_York");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForURL(/tz=America/);
  same(params().get("from"), from);
}

async function errorsAreSaid(page) {
  await open(page, "#/user?user=00000000-0000-4000-8000-000000000000");
  await page.locator(".failed", { hasText: "Not found" }).first().waitFor();
  await open(page, "#/user?user=nobody");
  await page.locator(".failed", { hasText: "user_uuid: must be a UUID" }).first().waitFor();
  await open(page, "#/rank?page=x");
  await page.locator(".failed", { hasText: "page_token:" }).waitFor();
}

/** What a link says that there is not is told, with what is shown instead. */
async function linksAreRead(page) {
  const said = page.locator(".misread:visible");
  for (const [hash, words, heading] of [
    ["#/rank?last=all&metric=kount", "The link's metric, “kount”, is none of sum, count", "Rank"],
    ["#/rank?last=all&metrik=count", "says “metrik”, which this view does not know", "Rank"],
    ["#/nowhere?last=all", "The link's view, “nowhere”, is none: this is the overview", "Overview"],
    ["#/prices?symbol=nocoin", "The link's symbol, “nocoin”, has no prices: this is", "Prices"],
    ["#/health?tz=Mars", "The link's time zone, “Mars”, is none", "Health"],
  ]) {
    await open(page, hash);
    await said.filter({ hasText: words }).waitFor();
    same(await page.locator("h1").textContent(), heading);
  }
  await open(page, "#/rank?last=all&metric=kount");
  same(await page.getByLabel("By").inputValue(), "sum");
  await open(page, "#/prices?symbol=ethbtc");
  same(await said.count(), 0);
}

/** From the address bar to a zoomed chart without a mouse. */
async function keyboardWalks(page) {
  await open(page, "#/overview?last=all");
  await page.reload();
  await settled(page);
  await page.keyboard.press("Tab");
  same(await page.evaluate(() => document.activeElement.textContent), "Skip to the numbers");
  await page.keyboard.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "main");
  for (let step = 0; step < 20; step += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.classList.contains("chart"))) break;
  }
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  const tip = await page.locator(".chart-tip").innerText();
  if (!/Moved/.test(tip)) throw new Error(`nothing is said: ${tip}`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/from=/);
  await page.evaluate(() => document.activeElement.blur());
  const link = page.locator("nav.views a", { hasText: "Rank" });
  await link.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/rank/);
  same(await page.evaluate(() => document.activeElement.tagName), "H1");
}

async function isAccessible(page, axe) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .slice(0, 3)
            .map(({ html }) => html.slice(0, 140))
            .join(" | ")}`,
      );
  });
  same(found, []);
}

async function fitsPhone(page) {
  const [wide, room] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    innerWidth,
  ]);
  if (wide > room) throw new Error(`${wide} pixels wide on a screen of ${room}`);
}

async function shoot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Each view in light, dark and on a phone; with the user that is at the top. */
async function viewsAreAccessible(browser, address, axe, user) {
  const looks = {
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  };
  for (const [look, options] of Object.entries(looks)) {
    const { context, page, complaints } = await openTab(browser, address, options);
    for (const view of VIEWS) {
      const more = { user: `&user=${user}`, tokens: `&${TOKEN}` }[view] ?? "";
      await open(page, `#/${view}?last=all${more}`);
      await shoot(page, `${view}-${look}`);
      if (look === "phone") await check(`${view} fits a phone`, () => fitsPhone(page));
      else
        await check(`${view} has no accessibility violation (${look})`, () =>
          isAccessible(page, axe),
        );
    }
    await check(`no view complains in the console (${look})`, () => same(complaints, []));
    await context.close();
  }
}

async function connectionComesBack(server, page) {
  await open(page, "#/overview?last=all");
  await page.getByText("Live", { exact: true }).waitFor();
  await server.stop("SIGKILL");
  await page.getByText("Connection lost.").waitFor();
  await page.getByText("Stale", { exact: true }).waitFor();
  same((await numbers(page, ".hero .num"))[1], "5001");
  await server.start();
  await page.locator(".banner").waitFor({ state: "hidden" });
  await page.getByText("Live", { exact: true }).waitFor();
  same((await numbers(page, ".hero .num"))[1], "5001");
}

async function tokenIsAsked(server, browser) {
  const made = server.run(["token", "create", "--role", "reader", "--name", "page"]);
  const [token] = /dbk_[A-Za-z0-9_-]+/.exec(made);
  await server.stop();
  await server.start(["--auth", "on"]);
  const { context, page } = await openTab(browser, server.address);
  await open(page, "#/rank?last=all&metric=count");
  await page.getByLabel("Token").fill("dbk_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("does not know that token").waitFor();
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("tbody a").first().waitFor();
  same(await page.getByLabel("By").inputValue(), "count");
  const line = await copiedLine(page, 'section[aria-label="Ranking"]');
  if (!line.includes("$DAYBOOK_TOKEN") || line.includes(token)) throw new Error(line);
  await context.close();
}

/** A token of one user leads to that user, and whatever is about others says so. */
async function ownerIsLed(server, browser, axe, shots) {
  const admin = /dbk_[\w-]+/.exec(server.run(["token", "create", "--role", "admin", "--name", "all"]))[0];
  const list = `grpcurl -plaintext -H 'authorization: Bearer ${admin}' -d '{"page_size": 2}'`;
  const { users } = runLine(`${list} ${server.address} daybook.v1.LedgerService/ListUsers`, tools);
  const [own, other] = users;
  const made = ["token", "create", "--role", "user", "--name", "own", "--user", own.userUuid];
  const [token] = /dbk_[\w-]+/.exec(server.run(made));
  const { context, page, complaints } = await openTab(browser, server.address);
  await page.goto("/");
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator(".who-name", { hasText: own.name }).waitFor();
  await settled(page);
  same(new URL(page.url()).hash, `#/user?user=${own.userUuid}`);
  same(await page.locator(".failed").count(), 0);
  same(await page.locator(".whose a").textContent(), own.username);
  for (const view of ["overview", "rank", "health"]) {
    await open(page, `#/${view}`);
    await page.getByText("This token sees one user only").waitFor();
    if (shots) await page.screenshot({ path: join(shots, `own-${view}.png`) });
  }
  await isAccessible(page, axe);
  await page.locator(".notice a", { hasText: own.username }).click();
  await page.locator(".who-name", { hasText: own.name }).waitFor();
  await open(page, `#/user?user=${other.userUuid}`);
  await page.getByText("This is about somebody else. This token sees what").waitFor();
  await page.locator(".notice a", { hasText: own.username }).click();
  await page.locator(".who-name", { hasText: own.name }).waitFor();
  await open(page, "#/prices");
  same(await page.locator(".failed").count(), 0);
  await open(page, "#/tokens");
  await page.getByText("who holds a token, and who sent it to whom, is for others").waitFor();
  same(complaints, []);
  await context.close();
}

async function emptyIsSaid(server, browser, axe) {
  const { context, page, complaints } = await openTab(browser, server.address);
  const said = {
    overview: "No transactions are recorded yet",
    user: "No users yet",
    rank: "Nobody to rank in this window",
    tokens: "No token is synced yet",
    prices: "No prices are recorded yet",
    health: "No jobs yet",
  };
  for (const [view, words] of Object.entries(said)) {
    await check(`${view} says so where nothing is recorded`, async () => {
      await open(page, `#/${view}`);
      await page.getByText(words).waitFor();
      await isAccessible(page, axe);
    });
  }
  await check("empty views do not complain in the console", () => same(complaints, []));
  await context.close();
}

async function seededChecks(server, browser, axe) {
  const { context, page, complaints } = await openTab(browser, server.address);
  await check("the overview has the numbers of the rpcs", () => overviewAgrees(page));
  await check("the series has the numbers of the rpc", () => seriesAgrees(page));
  await check("a user is found, and has the numbers of the rpcs", () => userAgrees(page));
  await check("pages turn, and back turns them back", () => pagesTurn(page));
  const user = new URLSearchParams(new URL(page.url()).hash.split("?")[1]).get("user");
  await check("a user is found by a part of a name", () => nameIsFound(page, server));
  await check("a deep link ranks as the rpc does, and finds a position", () => rankAgrees(page));
  await check("prices are those of the rpcs", () => pricesAgree(page));
  await check("a token's holders and transfers are those of the rpcs", () => tokenAgrees(page));
  await check("a part of an answer is had for the asking", () =>
    partialIsAsked(page, server, user),
  );
  await check("health has the status of the rpc", () => healthAgrees(page));
  await check("dragging zooms, and back zooms out", () => dragZooms(page));
  await check("a window in another zone is chosen", () => rangeIsChosen(page));
  await check("what is wrong is said in words", () => errorsAreSaid(page));
  await check("what a link says that there is not is told", () => linksAreRead(page));
  await check("it can be walked by keyboard alone", () => keyboardWalks(page));
  await check("an alert comes by itself", () => alertsFollow(page, server));
  await check("the overview follows what is recorded", () =>
    overviewFollows(page, server.address, "5000"),
  );
  await check("nothing complains in the console", () => same(complaints, []));
  await check("prices follow what is recorded", () => pricesFollow(page, server));
  await viewsAreAccessible(browser, server.address, axe, user);
  await check("a lost connection is said, and comes back by itself", () =>
    connectionComesBack(server, page),
  );
  await context.close();
  await check("a token is asked for, and stays out of copied lines", () =>
    tokenIsAsked(server, browser),
  );
  await check("a token of one user leads to that user", () =>
    ownerIsLed(server, browser, axe, shots),
  );
}

/** A token as a sync records it, written as the service's own role. */
function recordToken(server) {
  const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  server.run(["days", day(12), day(0)]);
  const file = new URL("page_token.sql", import.meta.url).pathname;
  const place = `host=${server.data}/run port=5432 dbname=daybook user=daybook_service`;
  const env = { ...process.env, PGOPTIONS: "-c search_path=daybook" };
  execFileSync("psql", [place, "-Xq", "-v", "ON_ERROR_STOP=1", "-f", file], { env });
}

async function main() {
  const log = join(scratch, "page.log");
  appendFileSync(log, "");
  if (shots) mkdirSync(shots, { recursive: true });
  const server = async (name, flags) =>
    new Server(daybook, `127.0.0.1:${await freePort()}`, join(scratch, name), flags, log);
  const seeded = await server("page-data", []);
  const bare = await server("page-bare", ["--no-seed"]);
  let browser;
  try {
    const started = await startBrowser(tools);
    browser = started.browser;
    const { axe } = started;
    await Promise.all([seeded.start(), bare.start()]);
    const prices = new URL("../../docs/examples/prices.csv", import.meta.url).pathname;
    seeded.run(["import", "--prices", prices, "--tick-interval", "300"]);
    recordToken(seeded);
    await seededChecks(seeded, browser, axe);
    await emptyIsSaid(bare, browser, axe);
  } catch (error) {
    await check("the page's servers and browser are there", () => {
      throw error;
    });
  } finally {
    await browser?.close();
    await Promise.all([seeded.stop(), bare.stop()]);
  }
}

await main();
