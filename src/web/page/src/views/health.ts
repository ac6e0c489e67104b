// How the server and its data are doing: rows, days, sealing, the verifier, calls, jobs.
import {
  type FeedPause,
  FeedPauseReason,
  type GetStatusResponse,
  type PriceFeedStatus,
  StatusService,
} from "../../generated/daybook/v1/status_service_pb";
import {
  type ListSyncJobsResponse,
  type SyncJob,
  SyncJobState,
  SyncService,
} from "../../generated/daybook/v1/sync_service_pb";
import { duration } from "../core/decimal";
import { fromDate, sayAgo, sayInstant } from "../core/instant";
import { instantOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { figure, mark } from "../ui/controls";
import { copyButton } from "../ui/copy";
import { type Child, el } from "../ui/dom";
import { empty } from "../ui/notice";
import { count, num } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, table } from "../ui/table";
import { when } from "../ui/when";
import { calendar } from "./calendar";

const REFRESH_MS = 5000;

export function makeHealth(_: Stage): View {
  return new HealthView();
}

class HealthView implements View {
  readonly root: HTMLElement;
  private readonly now = new Panel("Now", undefined, "wide plain");
  private readonly days = new Panel(
    "Days",
    "One square a day that has a partition, darker the more space it takes.",
    "wide",
  );
  private readonly jobs = new Panel("Sync jobs", undefined, "wide");
  private scene: Scene | undefined;
  private readonly clock = setInterval(() => this.again(), REFRESH_MS);

  constructor() {
    this.root = el("div.view", {}, this.now.root, this.days.root, this.jobs.root);
  }

  update(scene: Scene, isForced: boolean): void {
    this.scene = scene;
    this.askNow(scene, isForced);
    const days = question(StatusService.method.getStatus, { includeDays: true });
    const render = ({ days: rows }: GetStatusResponse) =>
      rows.length > 0 ? calendar(rows) : empty("No days with rows yet");
    void this.days.load({ ...days, render }, isForced);
    const jobs = question(SyncService.method.listSyncJobs, { pageSize: 20 });
    void this.jobs.load({ ...jobs, render: (answer) => drawJobs(answer, scene) }, isForced);
  }

  private again(): void {
    const isLost = document.body.classList.contains("is-lost");
    // What failed says so until somebody asks again.
    const isFailed = this.now.body.querySelector(":scope > .failed") !== null;
    if (this.scene && !document.hidden && !isLost && !isFailed) this.askNow(this.scene, true);
  }

  private askNow(scene: Scene, isForced: boolean): void {
    const asked = question(StatusService.method.getStatus, {});
    const render = (answer: GetStatusResponse) => drawStatus(answer, scene, asked.line);
    void this.now.load({ ...asked, render }, isForced);
  }

  close(): void {
    clearInterval(this.clock);
    for (const panel of [this.now, this.days, this.jobs]) panel.close();
  }
}

function drawStatus(status: GetStatusResponse, scene: Scene, line: string): HTMLElement {
  const now = fromDate(new Date());
  const one = (label: string, value: Child, more?: Child) =>
    el(
      "div.tile",
      {},
      figure(
        label,
        el(
          "span.with-copy",
          {},
          value,
          copyButton(() => line, label),
        ),
        more,
      ),
    );
  const { verifier, ingest, calls, sync } = status;
  const tiles = [
    one(
      "Transactions",
      rows(status.transactionCount),
      `in ${status.partitionCount} daily partitions`,
    ),
    one("Sealed", sealed(status, scene), `${status.correctionCount} corrections wait`),
    one(
      "Verifier",
      verdict(status),
      checked(
        verifier?.checks ?? 0n,
        verifier?.lastCheckedAt && sayAgo(instantOf(verifier.lastCheckedAt), now),
      ),
    ),
  ];
  if (ingest)
    tiles.push(
      one(
        "Recorded",
        el("span", {}, rate(ingest.rowsPerSecond), el("span.unit", {}, " rows/s")),
        el("span", {}, num(ingest.rowsRecorded), " since it started"),
      ),
    );
  if (calls) {
    const errors =
      calls.errors > 0n
        ? mark("warn", `${calls.errors} ${calls.errors === 1n ? "error" : "errors"}`)
        : "no errors";
    const more = el("span", {}, num(calls.calls), " in the last minute, ", errors);
    tiles.push(
      one("Calls", el("span", {}, rate(calls.callsPerSecond), el("span.unit", {}, " /s")), more),
    );
    tiles.push(
      one(
        "Latency",
        el("span", {}, duration(calls.p50Seconds)),
        `for half of the calls; 99 of 100 within ${duration(calls.p99Seconds)}`,
      ),
    );
  }
  if (sync) tiles.push(one("Sync jobs", num(sync.running), syncMore(sync.queued, sync.parked)));
  tiles.push(
    one("Alerts given up", num(status.deadDeliveryCount), "deliveries that failed for good"),
  );
  if (status.priceFeed)
    tiles.push(one("Price feed", fed(status.priceFeed, scene), pairsOf(status.priceFeed)));
  return el("div", {}, el("div.tiles", {}, ...tiles), warnings(status), about(status, scene));
}

/** Whether prices are taken from an exchange, or why not. */
function fed(feed: PriceFeedStatus, scene: Scene): Child {
  const said = (kind: "good" | "warn" | "idle", text: string) =>
    el("span.figure-words", {}, mark(kind, text));
  if (feed.pause) return said("warn", `${feed.source}: ${paused(feed.pause, scene)}`);
  if (!feed.isAsking) return said("idle", `${feed.source}: another server asks`);
  return said("good", feed.source);
}

function paused({ until, reason }: FeedPause, scene: Scene): string {
  const word = (FeedPauseReason[reason] ?? "").toLowerCase().replaceAll("_", " ");
  if (!until) return `paused (${word})`;
  return `paused until ${sayInstant(instantOf(until), scene.zone, "minute")} (${word})`;
}

function pairsOf({ pairs }: PriceFeedStatus): Child {
  const ill = pairs.filter(({ isStale, pause }) => isStale || pause);
  const all = count(BigInt(pairs.length), "pair");
  if (ill.length === 0) return all;
  const names = ill.map(({ symbol }) => symbol).join(", ");
  return el("span", {}, all, ", ", mark("warn", `stale or paused: ${names}`));
}

/** Not known where a running total cannot be read, which a line below says. */
function rows(count: bigint): Child {
  return count < 0n ? el("span.figure-words", {}, mark("bad", "Not known")) : num(count);
}

function sealed({ sealedUntil }: GetStatusResponse, scene: Scene): Child {
  if (!sealedUntil) return el("span.figure-words", {}, "Everything");
  return el(
    "span.figure-words",
    {},
    `until ${sayInstant(instantOf(sealedUntil), scene.zone, "minute")}`,
  );
}

function verdict({ verifier }: GetStatusResponse): Child {
  const mismatches = verifier?.mismatches ?? 0n;
  if (mismatches > 0n)
    return el("span.figure-words", {}, mark("bad", `${mismatches} disagree`, "Run daybook audit"));
  if (!verifier?.isRunning) return el("span.figure-words", {}, mark("idle", "Off"));
  if (verifier.checks === 0n)
    return el("span.figure-words", {}, mark("idle", "Nothing compared yet"));
  return el("span.figure-words", {}, mark("good", "All agree"));
}

function checked(checks: bigint, ago: string | undefined): Child {
  return el("span", {}, count(checks, "check"), ago ? `, the last one ${ago}` : "");
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(perSecond >= 10 ? 1 : 2);
}

function syncMore(queued: bigint, parked: bigint): Child {
  const waiting = `running, ${queued} queued`;
  return parked > 0n ? el("span", {}, waiting, ", ", mark("warn", `${parked} parked`)) : waiting;
}

/** What somebody must do something about. */
function warnings({ damagedCount, detachedDays }: GetStatusResponse): HTMLElement | undefined {
  const lines: string[] = [];
  if (damagedCount > 0n)
    lines.push(`${damagedCount} stored totals cannot be read: run daybook audit --repair.`);
  if (detachedDays.length > 0)
    lines.push(`Days that are detached although nobody asked for it: ${detachedDays.join(", ")}.`);
  if (lines.length === 0) return undefined;
  return el("div.notice.failed", { role: "alert" }, ...lines.map((line) => el("p", {}, line)));
}

function about(status: GetStatusResponse, scene: Scene): HTMLElement {
  const began = status.startedAt
    ? `, serving since ${sayInstant(instantOf(status.startedAt), scene.zone, "minute")}`
    : "";
  const version = status.version ? `Daybook ${status.version}` : "Daybook";
  return el("p.small", {}, `${version}, schema version ${status.schemaVersion}${began}.`);
}

const STATES: Record<number, [kind: "good" | "warn" | "bad" | "idle", word: string]> = {
  [SyncJobState.QUEUED]: ["idle", "Queued"],
  [SyncJobState.RUNNING]: ["warn", "Running"],
  [SyncJobState.PARKED]: ["bad", "Parked"],
  [SyncJobState.SUCCEEDED]: ["good", "Succeeded"],
};

function drawJobs({ jobs }: ListSyncJobsResponse, scene: Scene): HTMLElement {
  if (jobs.length === 0) {
    return empty(
      "No jobs yet",
      el(
        "p",
        {},
        "Wallets and tokens are synced from chains once a chains file names a source, and ",
        "SyncService.SyncWallet or SyncToken asks for one.",
      ),
    );
  }
  const columns: Column<SyncJob>[] = [
    {
      label: "Asked for",
      cell: ({ requestedAt }) => when(instantOf(requestedAt), scene.zone),
    },
    { label: "What", cell: subject },
    { label: "State", cell: ({ state }) => mark(...(STATES[state] ?? ["idle", "Unknown"])) },
    {
      label: "Progress",
      isNumber: true,
      cell: ({ progress, progressOf }) => [
        num(progress),
        progressOf > 0n ? ` of ${progressOf}` : "",
      ],
    },
    { label: "Message", isMinor: true, cell: ({ message }) => message },
  ];
  return table({ caption: "Sync jobs", columns, rows: jobs });
}

function subject({ subject: what }: SyncJob): Child {
  if (what.case === undefined) return "";
  const address = what.case === "wallet" ? what.value.address : what.value.contract;
  return el(
    "span.account",
    {},
    el("span.network", {}, `${what.value.network} ${what.case}`),
    el("span.address", { title: address }, address),
  );
}
