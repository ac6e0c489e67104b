// A symbol's prices over time: the last one, the chart, and its numbers, which all change in place
// while somebody looks.
import type { Bar, Symbol as PricedSymbol } from "../../generated/daybook/v1/price_service_pb";
import { sayLength, toPixels } from "../core/decimal";
import { sayInstant } from "../core/instant";
import type { Span } from "../core/range";
import { axisSeconds, instantOf } from "../messages";
import type { Scene } from "../scene";
import { Chart, type ChartOptions } from "../ui/chart";
import { type Child, el } from "../ui/dom";
import { empty } from "../ui/notice";
import { count, num } from "../ui/number";
import { type Column, table } from "../ui/table";
import { when } from "../ui/when";

export interface ShownPrices {
  symbol: PricedSymbol;
  bars: readonly Bar[];
  span: Span;
  /** Seconds of a bar. */
  length: number;
  scene: Scene;
}

export class PriceChart {
  readonly root = el("div");
  private readonly head = el("div.figure");
  private readonly numbers = el("details.numbers", {}, el("summary", {}, "Numbers"));
  private chart: Chart | undefined;

  constructor(private shown: ShownPrices) {
    this.numbers.addEventListener("toggle", () => this.fillNumbers());
    this.update(shown);
  }

  /** Whether other prices can take the place of these: a symbol and a zone are for good. */
  isOf({ symbol, scene }: ShownPrices): boolean {
    return this.shown.symbol.name === symbol.name && this.shown.scene.zone === scene.zone;
  }

  update(shown: ShownPrices): void {
    this.shown = shown;
    const { symbol, bars, length } = shown;
    const last = bars[bars.length - 1];
    if (!last) {
      this.close();
      this.root.replaceChildren(empty(`No prices of ${symbol.name} in these 24 hours`));
      return;
    }
    const words = `${symbol.name}, closing price of the last ${sayLength(length)}`;
    this.head.replaceChildren(
      el("div.figure-value", {}, num(last.close, symbol.quote)),
      el("div.figure-more", {}, words),
    );
    if (this.chart) {
      this.chart.update(this.options());
      this.fillNumbers();
      return;
    }
    this.chart = new Chart(this.options());
    this.root.replaceChildren(this.head, this.chart.root, this.numbers);
  }

  private options(): ChartOptions {
    const { symbol, bars, span, length, scene } = this.shown;
    return {
      label: `Prices of ${symbol.name}`,
      kind: "line",
      zone: scene.zone,
      isFloating: true,
      edges: bars.map(({ startsAt }) => {
        const start = axisSeconds(instantOf(startsAt));
        return { start, end: start + length };
      }),
      extent: { start: axisSeconds(span.start), end: axisSeconds(span.end) },
      series: [{ color: "--accent", values: bars.map(({ close }) => toPixels(close)) }],
      tell: (at) => tellBar(bars[at], symbol, scene),
    };
  }

  /** A table that is made when it is opened. */
  private fillNumbers(): void {
    this.numbers.querySelector(".table-frame")?.remove();
    if (this.numbers.open) this.numbers.append(barTable(this.shown));
  }

  close(): void {
    this.chart?.close();
    this.chart = undefined;
  }
}

function tellBar(bar: Bar | undefined, { quote }: PricedSymbol, scene: Scene): Child[] {
  if (!bar) return [];
  const row = (label: string, price: string) =>
    el("div.tip-row", {}, el("span", {}, `${label} `), el("span.tip-value", {}, num(price, quote)));
  return [
    el("div.tip-title", {}, sayInstant(instantOf(bar.startsAt), scene.zone)),
    row("Close", bar.close),
    row("High", bar.high),
    row("Low", bar.low),
    el("div.tip-more", {}, count(bar.tickCount, "tick")),
  ];
}

function barTable({ bars, symbol, scene }: ShownPrices): HTMLElement {
  const price = (label: string, of: (bar: Bar) => string) => ({
    label,
    isNumber: true,
    cell: (bar: Bar) => num(of(bar)),
  });
  const columns: Column<Bar>[] = [
    { label: "From", cell: ({ startsAt }) => when(instantOf(startsAt), scene.zone) },
    price(`Open (${symbol.quote})`, ({ open }) => open),
    price("High", ({ high }) => high),
    price("Low", ({ low }) => low),
    price("Close", ({ close }) => close),
    { label: "Ticks", isNumber: true, cell: ({ tickCount }) => num(tickCount) },
  ];
  return table({ caption: "Prices", columns, rows: bars });
}
