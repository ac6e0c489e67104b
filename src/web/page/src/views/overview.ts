// What everybody moved in the window, live.
import type { RankRow } from "../../generated/daybook/v1/analytics_service_pb";
import { Direction } from "../../generated/daybook/v1/window_pb";
import { shortAsset } from "../core/asset";
import { duration } from "../core/decimal";
import { type Instant, DAY, fromDate, sayAgo, sayDay } from "../core/instant";
import { type BucketName, chooseBucket, saySpan } from "../core/range";
import type { Failure } from "../core/words";
import { totalQuestion } from "../questions";
import type { Scene, Stage, View } from "../scene";
import type { Chart } from "../ui/chart";
import { figure, mark, segmented } from "../ui/controls";
import { copyButton } from "../ui/copy";
import { type Child, el, refill } from "../ui/dom";
import { empty, failed } from "../ui/notice";
import { num } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Overview, feed, seriesQuestion, topQuestion } from "./feed";
import {
  type Numbers,
  type SeriesOptions,
  bucketSelect,
  chartOptions,
  seriesChart,
  seriesNumbers,
  zoomTo,
} from "./series";
import { rankRows } from "./ranking";

/** A stream says something every ten seconds; after this it is not to be trusted. */
const STALE_AFTER = 15_000_000n;
/** After this it is begun anew: whoever it came from is gone without a word. */
const BEGIN_AFTER = 30_000_000n;

export function makeOverview(stage: Stage): View {
  return new OverviewView(stage);
}

class OverviewView implements View {
  readonly root: HTMLElement;
  private readonly total = el("div.figures");
  private readonly live = el("div.live", { "aria-live": "off" });
  private readonly flow = new Panel("Flow over time", undefined, "wide");
  private readonly senders = new Panel("Top senders");
  private readonly receivers = new Panel("Top receivers");
  private asking = new AbortController();
  private scene: Scene | undefined;
  private last: Overview | undefined;
  private chart: Chart | undefined;
  private numbers: Numbers | undefined;
  /** The scene that the chart was made for. */
  private drawn: Scene | undefined;
  private readonly shownRows = new Map<Panel, string>();
  private isFailed = false;
  /** When it was last heard that the answer holds, by this machine's clock. */
  private heardAt: Instant = 0n;
  /** When the answer in sight was last found to hold, by the server's clock. */
  private foundAt: Instant = 0n;
  private begunAt: Instant = 0n;
  private readonly clock = setInterval(() => this.tick(), 1000);

  constructor(private readonly stage: Stage) {
    this.total.append(figure("Volume", "–"), figure("Transactions", "–"));
    this.root = el(
      "div.view",
      {},
      el("section.hero", { "aria-label": "Totals" }, this.total, this.live),
      this.flow.root,
      el("div.columns", {}, this.senders.root, this.receivers.root),
    );
    document.addEventListener("visibilitychange", this.visibility);
  }

  /** Nobody looks: the stream is let go, and begun anew for whoever comes back. */
  private readonly visibility = () => {
    if (document.hidden) this.asking.abort();
    else if (this.scene) this.begin(this.scene);
  };

  update(scene: Scene, isForced: boolean): void {
    const isSame = (a: Scene, b: Scene) =>
      a.span === b.span && a.zone === b.zone && a.asset === b.asset && a.params.by === b.params.by;
    const isKnown = this.scene && isSame(this.scene, scene);
    this.scene = scene;
    this.showTools(scene);
    if (isKnown && this.last && !isForced) this.render(this.last);
    else this.begin(scene);
  }

  private begin(scene: Scene): void {
    this.asking.abort();
    this.asking = new AbortController();
    this.isFailed = false;
    this.begunAt = fromDate(new Date());
    const { range, span, zone, asset } = scene;
    const bucket = chooseBucket(span, scene.params.by);
    const { signal } = this.asking;
    for (const panel of this.panels()) panel.root.classList.add("loading");
    const events = {
      changed: (overview: Overview) => {
        if (signal.aborted) return;
        this.last = overview;
        this.foundAt = overview.answeredAt;
        this.hear();
        this.render(overview);
      },
      // While the database is away a server repeats when it was last there.
      unchanged: (answeredAt: Instant) => {
        if (answeredAt <= this.foundAt) return;
        this.foundAt = answeredAt;
        this.hear();
      },
      failed: (failure: Failure) => this.fail(failure),
    };
    void feed({ range, span, zone, asset, bucket }, events, signal);
  }

  private showTools(scene: Scene): void {
    const { stage } = this;
    const options = [
      { value: "sum", label: "Volume" },
      { value: "count", label: "Transactions" },
    ];
    const show = (value: string) => stage.go({ show: value === "sum" ? undefined : value });
    const bucket = chooseBucket(scene.span, scene.params.by);
    refill(
      this.flow.tools,
      segmented("What bars show", options, scene.params.show ?? "sum", show),
      bucketSelect(scene, stage, bucket),
    );
  }

  private panels(): Panel[] {
    return [this.flow, this.senders, this.receivers];
  }

  private hear(): void {
    this.heardAt = fromDate(new Date());
    this.tellLive();
  }

  private tick(): void {
    this.tellLive();
    const since = this.heardAt > this.begunAt ? this.heardAt : this.begunAt;
    const isSilent = fromDate(new Date()) - since > BEGIN_AFTER;
    if (this.scene && isSilent && !this.isFailed && !document.hidden) this.begin(this.scene);
  }

  private tellLive(): void {
    if (this.heardAt === 0n || this.isFailed) {
      this.live.replaceChildren();
      return;
    }
    const now = fromDate(new Date());
    const ago = sayAgo(this.heardAt, now);
    const isLive = now - this.heardAt < STALE_AFTER && !document.body.classList.contains("is-lost");
    const state = isLive ? mark("good", "Live") : mark("warn", "Stale");
    const took = this.last ? ` · ${duration(this.last.databaseSeconds)} in the database` : "";
    this.live.replaceChildren(
      state,
      el("span.small", {}, isLive ? `checked ${ago}${took}` : `last heard ${ago}`),
    );
  }

  private fail(failure: Failure): void {
    this.isFailed = true;
    this.tellLive();
    const retry = () => this.scene && this.begin(this.scene);
    this.flow.show(failed(failure, { retry: () => void retry() }));
    this.shownRows.clear();
    for (const panel of [this.senders, this.receivers]) panel.show(empty("Nothing to rank"));
  }

  private render(overview: Overview): void {
    const { scene } = this;
    if (!scene) return;
    const { span, asset } = overview;
    const bucket = chooseBucket(scene.span, scene.params.by);
    const totalLine = () => totalQuestion(span, scene.asset).line;
    this.total.replaceChildren(
      figure(
        "Volume",
        withCopy(num(overview.sumAmount, asset), totalLine, "Volume"),
        saySpan(span, scene.zone),
      ),
      figure(
        "Transactions",
        withCopy(num(overview.transactionCount), totalLine, "Transactions"),
        "each counted once",
      ),
    );
    this.renderFlow(overview, bucket);
    this.renderTop(this.senders, overview.senders, Direction.SENDER, overview);
    this.renderTop(this.receivers, overview.receivers, Direction.RECEIVER, overview);
  }

  private renderFlow(overview: Overview, bucket: BucketName): void {
    const { scene, stage } = this;
    if (!scene) return;
    this.flow.setLine(seriesQuestion(overview.span, scene.asset, bucket, scene.zone).line);
    if (overview.transactionCount === 0n) {
      this.chart?.close();
      this.chart = undefined;
      void nothing(stage, scene).then((notice) => this.last === overview && this.flow.show(notice));
      return;
    }
    const options: SeriesOptions = {
      label: "Flow over time",
      lines: [{ label: "Moved", color: "--bar", buckets: overview.buckets }],
      span: overview.span,
      scene,
      stage,
      asset: overview.asset,
      measure: scene.params.show === "count" ? "count" : "sum",
    };
    // Whoever points at a bar, or reads the table, keeps what is under the pointer.
    if (this.chart?.root.isConnected && this.drawn === scene) {
      this.chart.update(chartOptions(options));
      this.numbers?.update(options);
      this.flow.root.classList.remove("loading");
      return;
    }
    this.chart?.close();
    this.drawn = scene;
    this.chart = seriesChart(options);
    this.numbers = seriesNumbers(options);
    this.flow.show(this.chart.root, this.numbers.root);
  }

  private renderTop(
    panel: Panel,
    rows: readonly RankRow[],
    direction: Direction,
    overview: Overview,
  ): void {
    const { scene, stage } = this;
    if (!scene) return;
    panel.setLine(topQuestion(overview.span, scene.asset, direction).line);
    // The same rows stay, with the keyboard among them.
    const said = JSON.stringify([
      overview.asset,
      rows.map(({ userUuid, value }) => [userUuid, value]),
    ]);
    const isSame = this.shownRows.get(panel) === said && !panel.body.querySelector(".failed");
    panel.root.classList.remove("loading");
    if (isSame) return;
    this.shownRows.set(panel, said);
    if (rows.length === 0) {
      panel.show(empty("Nobody in this window"));
      return;
    }
    const caption = direction === Direction.SENDER ? "Top senders" : "Top receivers";
    panel.show(
      rankRows({ caption, rows, stage, valueLabel: shortAsset(overview.asset), isCompact: true }),
    );
  }

  close(): void {
    clearInterval(this.clock);
    document.removeEventListener("visibilitychange", this.visibility);
    this.asking.abort();
    this.chart?.close();
  }
}

function withCopy(value: HTMLElement, line: () => string, what: string): HTMLElement {
  return el("span.with-copy", {}, value, copyButton(line, what));
}

/** That a window is empty, and where there is something. */
async function nothing(stage: Stage, scene: Scene): Promise<HTMLElement> {
  const extent = await stage.extent();
  if (!extent) {
    return empty(
      "No transactions are recorded yet",
      el("p", {}, "Record some with IngestService.RecordTransaction, or import a file:"),
      el("pre", {}, el("code", {}, "daybook import FILE --map-file MAP.toml")),
    );
  }
  const show = () => zoomTo(stage, { start: extent.end - 30n * DAY, end: extent.end });
  const more: Child[] = [
    el(
      "p",
      {},
      `The newest one is of ${sayDay(extent.end - 1n, scene.zone)}, `,
      `the first one of ${sayDay(extent.start, scene.zone)}.`,
    ),
    el("button.button", { type: "button", on: { click: show } }, "Show the newest 30 days"),
  ];
  return empty("Nothing moved in this window", ...more);
}
