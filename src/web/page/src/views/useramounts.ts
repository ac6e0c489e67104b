// What a user sent, received and held: figures, a series, and a histogram.
import {
  AnalyticsService,
  type HistogramBucket,
  type HistogramResponse,
  type SumSeriesResponse,
} from "../../generated/daybook/v1/analytics_service_pb";
import { LedgerService } from "../../generated/daybook/v1/ledger_service_pb";
import { Direction } from "../../generated/daybook/v1/window_pb";
import { shortAsset } from "../core/asset";
import { toPixels } from "../core/decimal";
import { sayInstant } from "../core/instant";
import { chooseBucket } from "../core/range";
import { bucketFields, timestampOf, windowOf } from "../messages";
import { type Question, question } from "../rpc";
import type { Scene, Stage } from "../scene";
import { Chart } from "../ui/chart";
import { segmented } from "../ui/controls";
import { type Child, el, refill } from "../ui/dom";
import { empty } from "../ui/notice";
import { count, num } from "../ui/number";
import { Panel } from "../ui/panel";
import { table } from "../ui/table";
import { bucketSelect, seriesChart, seriesNumbers } from "./series";

export class UserAmounts {
  private readonly sent = new Panel("Sent", undefined, "stat");
  private readonly received = new Panel("Received", undefined, "stat");
  private readonly balance = new Panel("Balance", undefined, "stat");
  private readonly series = new Panel("In and out over time", undefined, "wide");
  private readonly histogram = new Panel("Sizes of transactions");
  private charts: Chart[] = [];

  constructor(private readonly stage: Stage) {}

  /** Its parts; `beside` stands at the side of the histogram. */
  roots(beside: HTMLElement): HTMLElement[] {
    const figures = el("div.stats", {}, this.received.root, this.sent.root, this.balance.root);
    return [figures, this.series.root, el("div.columns", {}, this.histogram.root, beside)];
  }

  update(scene: Scene, isForced: boolean): void {
    this.sum(this.sent, scene, Direction.SENDER, isForced);
    this.sum(this.received, scene, Direction.RECEIVER, isForced);
    this.hold(scene, isForced);
    this.flow(scene, isForced);
    this.sizes(scene, isForced);
  }

  private load<T>(
    panel: Panel,
    asked: AskedFor<T>,
    render: (answer: T) => Node,
    isForced: boolean,
  ) {
    const allowPartial = () => this.stage.go({ partial: "1" });
    void panel.load({ ...asked, render, remedies: { allowPartial } }, isForced);
  }

  private sum(panel: Panel, scene: Scene, direction: Direction, isForced: boolean): void {
    const asked = question(AnalyticsService.method.sumAmount, {
      ...about(scene),
      window: windowOf(scene.span),
      direction,
    });
    this.load(
      panel,
      asked,
      (answer) => {
        const more = el("span", {}, "in ", count(answer.transactionCount, "transaction"));
        return stat(
          num(answer.sumAmount, answer.asset),
          more,
          answer.coverage?.isComplete === false,
        );
      },
      isForced,
    );
  }

  private hold(scene: Scene, isForced: boolean): void {
    const at = timestampOf(scene.span.end);
    const asked = question(LedgerService.method.getBalance, { ...about(scene), at });
    this.load(
      this.balance,
      asked,
      (answer) => {
        const more = `at ${sayInstant(scene.span.end, scene.zone)}`;
        return stat(num(answer.balance, answer.asset), more, answer.coverage?.isComplete === false);
      },
      isForced,
    );
  }

  private flow(scene: Scene, isForced: boolean): void {
    const bucket = chooseBucket(scene.span, scene.params.by);
    refill(this.series.tools, bucketSelect(scene, this.stage, bucket));
    const asked = question(AnalyticsService.method.sumSeries, {
      ...about(scene),
      window: windowOf(scene.span),
      ...bucketFields(bucket, scene.zone),
      splitByDirection: true,
    });
    this.load(this.series, asked, (answer) => this.drawFlow(scene, answer), isForced);
  }

  private drawFlow(scene: Scene, answer: SumSeriesResponse): Node {
    const of = (direction: Direction) =>
      answer.series.find((series) => series.direction === direction)?.buckets ?? [];
    const options = {
      label: "In and out over time",
      lines: [
        { label: "Received", color: "--bar", buckets: of(Direction.RECEIVER) },
        { label: "Sent", color: "--other", buckets: of(Direction.SENDER), isMirrored: true },
      ],
      span: scene.span,
      scene,
      stage: this.stage,
      asset: answer.asset,
      measure: "sum" as const,
    };
    const isEmpty = options.lines.every(({ buckets }) =>
      buckets.every(({ transactionCount }) => transactionCount === 0n),
    );
    if (isEmpty) return empty("Nothing in this window", el("p", {}, "Choose a longer one above."));
    const chart = seriesChart(options);
    this.charts.push(chart);
    const legend = options.lines.map(({ label, color }) => legendItem(label, color));
    return el("div", {}, el("div.legend", {}, ...legend), chart.root, seriesNumbers(options).root);
  }

  private sizes(scene: Scene, isForced: boolean): void {
    const side = scene.params.side === "sender" ? "sender" : "receiver";
    refill(
      this.histogram.tools,
      segmented(
        "Side",
        [
          { value: "receiver", label: "Received" },
          { value: "sender", label: "Sent" },
        ],
        side,
        (value) => this.stage.go({ side: value === "receiver" ? undefined : value }),
      ),
    );
    const asked = question(AnalyticsService.method.histogram, {
      ...about(scene),
      window: windowOf(scene.span),
      direction: side === "sender" ? Direction.SENDER : Direction.RECEIVER,
    });
    this.load(this.histogram, asked, (answer) => this.drawSizes(answer), isForced);
  }

  private drawSizes(answer: HistogramResponse): Node {
    const { buckets, asset } = answer;
    if (buckets.length === 0) return empty("Nothing in this window");
    const edges = buckets.map(({ lower, upper }) => {
      const start = toPixels(lower);
      const end = upper ? toPixels(upper) : start;
      return { start, end: end > start ? end : start + 1 };
    });
    const chart = new Chart({
      label: "Sizes of transactions",
      kind: "bars",
      height: 220,
      isWhole: true,
      edges,
      extent: { start: edges[0]?.start ?? 0, end: edges[edges.length - 1]?.end ?? 1 },
      series: [
        {
          color: "--bar",
          values: buckets.map(({ transactionCount }) => Number(transactionCount)),
        },
      ],
      tell: (at) => tellSize(buckets[at], asset),
    });
    this.charts.push(chart);
    const said = el(
      "p.small",
      {},
      "From ",
      num(answer.smallestAmount),
      " to ",
      num(answer.largestAmount, asset),
      ", in ",
      count(answer.transactionCount, "transaction"),
    );
    return el("div", {}, chart.root, said, sizeNumbers(buckets, asset));
  }

  close(): void {
    for (const panel of [this.sent, this.received, this.balance, this.series, this.histogram])
      panel.close();
    for (const chart of this.charts) chart.close();
  }
}

type AskedFor<T> = Pick<Question<never>, "line" | "key"> & {
  ask: (signal: AbortSignal) => Promise<T>;
};

function about({ params, asset, allowPartial }: Scene) {
  const subject = { case: "userUuid" as const, value: params.user ?? "" };
  return { subject, asset, allowPartial };
}

function stat(value: HTMLElement, more: Child, isPartial: boolean): HTMLElement {
  const partial = isPartial ? el("div.mark.warn", {}, "Rows may be missing") : undefined;
  return el(
    "div.figure",
    {},
    el("div.figure-value", {}, value),
    el("div.figure-more", {}, more),
    partial,
  );
}

export function legendItem(label: string, color: string): HTMLElement {
  const swatch = el("span.swatch", { "aria-hidden": "true" });
  swatch.style.background = `var(${color})`;
  return el("span.legend-item", {}, swatch, label);
}

function tellSize(bucket: HistogramBucket | undefined, asset: string): Child[] {
  if (!bucket) return [];
  const title = el(
    "div.tip-title",
    {},
    num(bucket.lower),
    " to ",
    num(bucket.upper || bucket.lower, asset),
  );
  const rows = el("div.tip-row.tip-value", {}, count(bucket.transactionCount, "transaction"));
  const sum = el("div.tip-more", {}, "together ", num(bucket.sumAmount, asset));
  return [title, rows, sum];
}

function sizeNumbers(rows: readonly HistogramBucket[], asset: string): HTMLElement {
  const columns = [
    {
      label: `From (${shortAsset(asset)})`,
      isNumber: true,
      cell: ({ lower }: HistogramBucket) => num(lower),
    },
    {
      label: "To",
      isNumber: true,
      cell: ({ upper }: HistogramBucket) => (upper ? num(upper) : ""),
    },
    {
      label: "Transactions",
      isNumber: true,
      cell: (row: HistogramBucket) => num(row.transactionCount),
    },
    { label: "Sum", isNumber: true, cell: (row: HistogramBucket) => num(row.sumAmount) },
  ];
  const details = el("details.numbers", {}, el("summary", {}, "Numbers"));
  details.append(table({ caption: "Sizes of transactions", columns, rows }));
  return details;
}
