// Charts over time or over amounts, drawn by uPlot: bars that reach from the begin to the end of
// their bucket, or lines. Floats are for pixels only: what is said beside a bar is exact.
import uPlot from "uplot";
import { short } from "../core/decimal";
import { fromDate, sayTick } from "../core/instant";
import { type Child, el } from "./dom";

export interface ChartSeries {
  /** Custom property of the style sheet with its colour. */
  color: string;
  /** One number a point; null where there is none. */
  values: (number | null)[];
}

export interface ChartOptions {
  label: string;
  /** Where each bucket begins and ends, in seconds or amounts, without a gap. */
  edges: { start: number; end: number }[];
  series: ChartSeries[];
  kind: "bars" | "line";
  /** From where to where the axis goes. */
  extent: { start: number; end: number };
  /** Time zone of the axis; an axis of amounts without. */
  zone?: string;
  height?: number;
  /** Buckets that are cut off are paler. */
  isPartial?: (at: number) => boolean;
  /** What is said about a bucket. */
  tell: (at: number) => Child[];
  /** The buckets from one to another were chosen. */
  onZoom?: (first: number, last: number) => void;
  /** Numbers are whole: there is nothing between two of them. */
  isWhole?: boolean;
  /** Zero is on the axis unless this is set: for prices. */
  isFloating?: boolean;
}

const MARGIN = 0.06;
const WHOLE_STEPS = Array.from({ length: 16 }, (_, power) =>
  [1, 2, 5].map((n) => n * 10 ** power),
).flat();

function style(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axes(options: ChartOptions): uPlot.Axis[] {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const ink = style("--ink-soft");
  const line = { stroke: style("--line"), width: 1 };
  const grid = { ...line };
  const x: uPlot.Axis = {
    stroke: ink,
    font,
    grid: { show: false },
    ticks: { ...line, size: 4 },
    size: 32,
    gap: 6,
  };
  const { zone } = options;
  x.values = (_, splits, __, ___, step) =>
    splits.map((value) =>
      zone ? sayTick(fromDate(new Date(value * 1e3)), zone, step) : short(value, step),
    );
  const y: uPlot.Axis = {
    stroke: ink,
    font,
    grid,
    ticks: { show: false },
    border: { show: false },
    size: 56,
    ...(options.isWhole ? { incrs: WHOLE_STEPS } : {}),
    // Below zero is the other direction, and as large.
    values: (_, splits, __, ___, step) => splits.map((value) => short(Math.abs(value), step)),
  };
  return [x, y];
}

/** Rectangles from edge to edge; a pixel is left between two where there is room. */
function barPaths(current: () => ChartOptions, isCut: boolean): uPlot.Series.PathBuilder {
  return (plot, series) => {
    const options = current();
    const fill = new Path2D();
    const base = plot.valToPos(0, "y", true);
    options.edges.forEach(({ start, end }, at) => {
      const value = plot.data[series]?.[at];
      if (!value || (options.isPartial?.(at) ?? false) !== isCut) return;
      const left = plot.valToPos(start, "x", true);
      const right = plot.valToPos(end, "x", true);
      const gap = right - left > 4 ? Math.min(3, (right - left) * 0.2) : 0;
      const top = plot.valToPos(value, "y", true);
      // Nothing that is there is too small to be seen.
      const height = Math.sign(base - top) * Math.max(1, Math.abs(base - top));
      fill.rect(left + gap / 2, base, Math.max(1, right - left - gap), -height);
    });
    return {
      fill,
      stroke: null,
      clip: null,
      band: null,
      gaps: null,
      flags: 1,
    } as unknown as uPlot.Series.Paths;
  };
}

function seriesOf(current: () => ChartOptions): uPlot.Series[] {
  return current().series.flatMap(({ color }): uPlot.Series[] => {
    const stroke = style(color);
    const points = { show: false };
    if (current().kind === "line") return [{ stroke, width: 1.75, points, fill: `${stroke}1c` }];
    return [
      { points, width: 0, fill: stroke, paths: barPaths(current, false) },
      { points, width: 0, fill: `${stroke}66`, paths: barPaths(current, true) },
    ];
  });
}

function dataOf(options: ChartOptions): uPlot.AlignedData {
  const isBars = options.kind === "bars";
  const xs = options.edges.map(({ start, end }) => (isBars ? (start + end) / 2 : start));
  // Bars are two series each: the whole buckets, and those that are cut off.
  const ys = options.series.flatMap(({ values }) => (isBars ? [values, values] : [values]));
  return [xs, ...ys];
}

function rangeY(options: ChartOptions, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  if (options.isFloating) {
    const pad = (high - low || Math.abs(high) || 1) * MARGIN;
    return [low - pad, high + pad];
  }
  const [from, to] = [Math.min(0, low), Math.max(0, high)];
  const pad = (to - from || 1) * MARGIN;
  return [from < 0 ? from - pad : 0, to > 0 || from === 0 ? to + pad : 0];
}

/** Takes the width that it is given, tells about what is pointed at, and zooms by dragging. */
export class Chart {
  readonly root: HTMLElement;
  private readonly place = el("div.chart-place");
  /** Behind the bar that is told about. */
  private readonly band = el("div.chart-band", { set: { hidden: true } });
  private readonly tip = el("div.chart-tip", { set: { hidden: true } });
  private readonly said = el("div.hidden", { "aria-live": "polite" });
  private readonly observer = new ResizeObserver(() => this.draw());
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private plot: uPlot | undefined;
  private width = 0;
  private at = -1;

  constructor(private options: ChartOptions) {
    const zoom = options.onZoom ? " Drag to zoom; arrow keys and Enter do the same." : "";
    const label = `${options.label}.${zoom}`;
    const on = { keydown: (event: KeyboardEvent) => this.key(event), blur: () => this.point(-1) };
    this.root = el(
      "div.chart",
      { tabindex: "0", role: "group", "aria-roledescription": "chart", "aria-label": label, on },
      this.place,
      this.band,
      this.tip,
      this.said,
    );
    this.observer.observe(this.root);
    this.scheme.addEventListener("change", this.redraw);
  }

  /** Shows other numbers in place: of as many series, of the same kind. */
  update(options: ChartOptions): void {
    this.options = options;
    this.plot?.setData(dataOf(options));
    if (this.at >= 0) this.point(Math.min(this.at, options.edges.length - 1));
  }

  private readonly redraw = () => {
    this.width = 0;
    this.draw();
  };

  private draw(): void {
    if (!this.root.isConnected) {
      this.close();
      return;
    }
    const width = Math.floor(this.root.clientWidth);
    if (width === 0 || width === this.width) return;
    this.width = width;
    this.plot?.destroy();
    this.plot = new uPlot(this.settings(width), dataOf(this.options), this.place);
  }

  private settings(width: number): uPlot.Options {
    const { options } = this;
    const { zone } = options;
    return {
      width,
      height: options.height ?? 260,
      legend: { show: false },
      scales: {
        x: {
          time: Boolean(zone),
          range: () => [this.options.extent.start, this.options.extent.end],
        },
        y: { range: (_, low, high) => rangeY(this.options, low, high) },
      },
      ...(zone ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1e3), zone) } : {}),
      axes: axes(options),
      series: [{}, ...seriesOf(() => this.options)],
      padding: [10, 24, 0, 0],
      cursor: {
        x: options.kind === "line",
        y: false,
        points: { show: false },
        drag: { x: Boolean(options.onZoom), y: false, setScale: false, dist: 6 },
      },
      hooks: {
        setCursor: [(plot) => this.hover(plot)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
  }

  /** The bucket under a pixel; -1 beside the chart. */
  private bucketAt(plot: uPlot, left: number): number {
    const { edges, kind } = this.options;
    const value = plot.posToVal(left, "x");
    if (kind === "line") return plot.posToIdx(left);
    const found = edges.findIndex(({ start, end }) => value >= start && value < end);
    if (found >= 0) return found;
    return value < (edges[0]?.start ?? 0) ? 0 : edges.length - 1;
  }

  private hover(plot: uPlot): void {
    const left = plot.cursor.left ?? -1;
    this.point(left < 0 ? -1 : this.bucketAt(plot, left));
  }

  private select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width <= 0 || !this.options.onZoom) return;
    const first = this.bucketAt(plot, left);
    const last = this.bucketAt(plot, left + width - 0.5);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.options.onZoom(first, last);
  }

  /** Shows what there is to say about a bucket; nothing of -1. */
  private point(at: number): void {
    this.at = at;
    const edge = this.options.edges[at];
    const isBars = this.options.kind === "bars";
    this.tip.hidden = !edge || !this.plot;
    this.band.hidden = this.tip.hidden || !isBars;
    if (!edge || !this.plot) return;
    this.tip.replaceChildren();
    for (const line of this.options.tell(at)) {
      if (line) this.tip.append(line instanceof Node ? line : String(line));
    }
    const offset = this.plot.bbox.left / devicePixelRatio;
    const [start, end] = [edge.start, edge.end].map(
      (value) => this.plot?.valToPos(value, "x") ?? 0,
    );
    if (start === undefined || end === undefined) return;
    this.band.style.left = `${offset + start}px`;
    this.band.style.width = `${end - start}px`;
    this.band.style.top = `${this.plot.bbox.top / devicePixelRatio}px`;
    this.band.style.height = `${this.plot.bbox.height / devicePixelRatio}px`;
    const room = this.width - this.tip.offsetWidth;
    const [first, last] = [offset + start - 10, offset + (isBars ? end : start) + 10];
    const beside = last > room ? first - this.tip.offsetWidth : last;
    this.tip.style.left = `${Math.max(0, Math.min(room, beside))}px`;
  }

  private key(event: KeyboardEvent): void {
    const last = this.options.edges.length - 1;
    const steps: Record<string, number> = {
      ArrowLeft: Math.max(0, this.at < 0 ? last : this.at - 1),
      ArrowRight: Math.min(last, this.at + 1),
      Home: 0,
      End: last,
    };
    const next = steps[event.key];
    if (event.key === "Enter" && this.at >= 0) this.options.onZoom?.(this.at, this.at);
    else if (event.key === "Escape") this.point(-1);
    else if (next === undefined || last < 0) return;
    else this.pointByKey(next);
    event.preventDefault();
  }

  private pointByKey(at: number): void {
    const edge = this.options.edges[at];
    if (!edge || !this.plot) return;
    this.plot.setCursor(
      { left: this.plot.valToPos((edge.start + edge.end) / 2, "x"), top: 0 },
      false,
    );
    this.point(at);
    this.said.textContent = this.tip.innerText;
  }

  close(): void {
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    this.plot?.destroy();
    this.plot = undefined;
  }
}
