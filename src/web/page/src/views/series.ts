// Buckets over time: the chart, what is said about a bucket, and the numbers as a table.
import type { SeriesBucket } from "../../generated/daybook/v1/analytics_service_pb";
import { shortAsset } from "../core/asset";
import { toPixels } from "../core/decimal";
import {
  BUCKETS,
  type BucketName,
  type Span,
  bucketChoices,
  rangeParams,
  saySpan,
} from "../core/range";
import { axisSeconds, spanOfWindow } from "../messages";
import type { Scene, Stage } from "../scene";
import { Chart, type ChartOptions } from "../ui/chart";
import { select } from "../ui/controls";
import { type Child, el } from "../ui/dom";
import { count, num } from "../ui/number";
import { table } from "../ui/table";
import { when } from "../ui/when";

export interface Line {
  label: string;
  color: string;
  buckets: readonly SeriesBucket[];
  /** Drawn below zero. */
  isMirrored?: boolean;
}

export interface SeriesOptions {
  label: string;
  lines: Line[];
  span: Span;
  scene: Scene;
  stage: Stage;
  asset: string;
  /** What the bars are as high as. */
  measure: "sum" | "count";
}

/** Zooms to a window of instants. */
export function zoomTo(stage: Stage, span: Span): void {
  stage.go({ ...rangeParams({ kind: "fixed", span }), asof: undefined, page: undefined });
}

/** A bucket that the window cuts off stands for less time than its neighbours. */
function isCut(buckets: readonly SeriesBucket[], at: number): boolean {
  if (buckets.length < 3 || (at > 0 && at < buckets.length - 1)) return false;
  const lengths = buckets.slice(1, -1).map(({ window }) => {
    const { start, end } = spanOfWindow(window);
    return end - start;
  });
  const usual = lengths.reduce((least, length) => (length < least ? length : least));
  const { start, end } = spanOfWindow(buckets[at]?.window);
  // Days with 23 hours are whole.
  return (end - start) * 10n < usual * 9n;
}

export function seriesChart(options: SeriesOptions): Chart {
  return new Chart(chartOptions(options));
}

/** What to hand to `update` of a chart of the same lines. */
export function chartOptions(options: SeriesOptions): ChartOptions {
  const { lines, scene, stage, measure, span } = options;
  const buckets = lines[0]?.buckets ?? [];
  const spans = buckets.map(({ window }) => spanOfWindow(window));
  const value = (bucket: SeriesBucket, isMirrored?: boolean) => {
    const size = measure === "sum" ? toPixels(bucket.sumAmount) : Number(bucket.transactionCount);
    return isMirrored ? -size : size;
  };
  return {
    label: options.label,
    kind: "bars",
    isWhole: measure === "count",
    zone: scene.zone,
    edges: spans.map(({ start, end }) => ({ start: axisSeconds(start), end: axisSeconds(end) })),
    extent: { start: axisSeconds(span.start), end: axisSeconds(span.end) },
    series: lines.map(({ color, buckets: own, isMirrored }) => ({
      color,
      values: own.map((bucket) => value(bucket, isMirrored)),
    })),
    isPartial: (at) => isCut(buckets, at),
    tell: (at) => tell(options, spans[at], at, isCut(buckets, at)),
    onZoom: (first, last) => {
      const [from, to] = [spans[first], spans[last]];
      if (from && to) zoomTo(stage, { start: from.start, end: to.end });
    },
  };
}

function tell(
  options: SeriesOptions,
  span: Span | undefined,
  at: number,
  isCutOff: boolean,
): Child[] {
  if (!span) return [];
  const { lines, scene, asset } = options;
  const rows = lines.map(({ label, color, buckets }) => {
    const bucket = buckets[at];
    if (!bucket) return undefined;
    const swatch = el("span.swatch", { "aria-hidden": "true" });
    swatch.style.background = `var(${color})`;
    return el(
      "div.tip-row",
      {},
      swatch,
      el("span", {}, `${label} `),
      el("span.tip-value", {}, num(bucket.sumAmount, asset)),
      el("span.tip-more", {}, "in ", count(bucket.transactionCount, "transaction")),
    );
  });
  const cut = isCutOff ? el("div.tip-more", {}, "Cut off by the window") : undefined;
  return [el("div.tip-title", {}, saySpan(span, scene.zone)), ...rows, cut];
}

/** What is in the chart, to read and to copy. */
export interface Numbers {
  root: HTMLElement;
  update(options: SeriesOptions): void;
}

/** A table that is made when it is opened. */
export function seriesNumbers(options: SeriesOptions): Numbers {
  const root = el("details.numbers", {}, el("summary", {}, "Numbers"));
  let current = options;
  const fill = () => {
    root.querySelector(".table-frame")?.remove();
    if (root.open) root.append(numbers(current));
  };
  root.addEventListener("toggle", fill);
  const update = (next: SeriesOptions) => {
    current = next;
    if (root.open) fill();
  };
  return { root, update };
}

function numbers({ lines, scene, asset, label }: SeriesOptions): HTMLElement {
  const rows = lines[0]?.buckets ?? [];
  const amounts = lines.flatMap(({ label: name, buckets }) => [
    {
      label: `${name} (${shortAsset(asset)})`,
      isNumber: true,
      cell: (_: SeriesBucket, at: number) => num(buckets[at]?.sumAmount ?? ""),
    },
    {
      label: "Transactions",
      isNumber: true,
      cell: (_: SeriesBucket, at: number) => num(buckets[at]?.transactionCount ?? 0n),
    },
  ]);
  const from = {
    label: "From",
    cell: ({ window }: SeriesBucket) => when(spanOfWindow(window).start, scene.zone),
  };
  return table({ caption: label, columns: [from, ...amounts], rows });
}

/** A choice of the length of buckets. */
export function bucketSelect(scene: Scene, stage: Stage, current: BucketName): HTMLElement {
  const choices = bucketChoices(scene.span);
  const options = choices.map((name) => ({ value: name, label: BUCKETS[name].label }));
  return select("Bars of", options, current, (by) => stage.go({ by }));
}
