// Prices of a symbol over a day, all symbols in order, and alerts as they come.
import {
  type Bar,
  type ListPricesResponse,
  PriceService,
  type RankSymbolsResponse,
  type Symbol as PricedSymbol,
  SymbolMetric,
  type SymbolRank,
} from "../../generated/daybook/v1/price_service_pb";
import { sayLength, toPixels } from "../core/decimal";
import { DAY, formatInstant, parseInstant, sayInstant } from "../core/instant";
import type { CHOICES } from "../core/link";
import type { Span } from "../core/range";
import { axisSeconds, instantOf, spanOfWindow, windowOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { Chart } from "../ui/chart";
import { segmented, select } from "../ui/controls";
import { type Child, el, refill } from "../ui/dom";
import { empty } from "../ui/notice";
import { count, num, trimmed } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, pager, table } from "../ui/table";
import { when } from "../ui/when";
import { Alerts } from "./alerts";

const METRICS: { value: Metric; label: string; metric: SymbolMetric }[] = [
  { value: "change", label: "Change in percent", metric: SymbolMetric.CHANGE_PERCENT },
  {
    value: "return",
    label: "Volatility (deviation of log returns)",
    metric: SymbolMetric.STDDEV_OF_RETURN,
  },
  {
    value: "variation",
    label: "Coefficient of variation",
    metric: SymbolMetric.COEFFICIENT_OF_VARIATION,
  },
  { value: "stddev", label: "Deviation of prices", metric: SymbolMetric.STDDEV_OF_PRICE },
  { value: "mean", label: "Mean price", metric: SymbolMetric.MEAN },
];
type Metric = (typeof CHOICES.prices.metric)[number];
const BARS = 288n;
const PAGE_SIZE = 20;

export function makePrices(stage: Stage): View {
  return new PricesView(stage);
}

class PricesView implements View {
  readonly root = el("div.view");
  private readonly symbols = new Panel("Prices", undefined, "wide");
  private readonly chart = new Panel("24 hours", undefined, "wide");
  private readonly ranking = new Panel("Symbols", undefined, "wide");
  private readonly alerts: Alerts;
  private readonly unread = el("div.misread", { role: "status", set: { hidden: true } });
  private drawn: Chart | undefined;
  private isShown = false;

  constructor(private readonly stage: Stage) {
    this.alerts = new Alerts();
    this.root.append(this.symbols.root);
  }

  update(scene: Scene, isForced: boolean): void {
    const asked = question(PriceService.method.listSymbols, { pageSize: 1000 });
    if (isForced || !this.isShown) this.alerts.begin(scene);
    void this.symbols.load(
      {
        ...asked,
        // Which symbol is shown is no part of the question, but of what is drawn of its answer.
        key: `${asked.key} ${JSON.stringify(scene.params)}`,
        render: ({ symbols, asOf }) => {
          this.arrange(scene, symbols, instantOf(asOf), isForced);
          return howToPrice();
        },
      },
      isForced,
    );
  }

  private arrange(scene: Scene, symbols: PricedSymbol[], asOf: bigint, isForced: boolean): void {
    const chosen = symbols.find(({ name }) => name === scene.params.symbol) ?? busiest(symbols);
    this.isShown = true;
    if (!chosen) {
      this.root.replaceChildren(this.symbols.root, this.alerts.root);
      return;
    }
    this.tellSymbol(scene.params.symbol, chosen.name);
    this.root.replaceChildren(
      this.unread,
      this.chart.root,
      this.ranking.root,
      this.alerts.root,
    );
    const span = lastDay(symbols, parseInstant(scene.params.asof ?? "") ?? asOf);
    this.showTools(scene, symbols, chosen.name);
    this.drawPrices(scene, chosen, span, isForced);
    this.rank(scene, span, isForced);
  }

  /** That a link names a symbol that there is not. */
  private tellSymbol(asked: string | undefined, shown: string): void {
    this.unread.hidden = !asked || asked === shown;
    this.unread.textContent = `The link's symbol, “${asked}”, has no prices: this is ${shown}.`;
  }

  private showTools(scene: Scene, symbols: PricedSymbol[], current: string): void {
    const options = symbols.map(({ name }) => ({ value: name, label: name }));
    const pick = (symbol: string) => this.stage.go({ symbol });
    refill(this.chart.tools, select("Symbol", options, current, pick));
    const metrics = METRICS.map(({ value, label }) => ({ value, label }));
    const go = (name: string, usual: string) => (value: string) =>
      this.stage.go({ [name]: value === usual ? undefined : value, page: undefined });
    const orders = [
      { value: "top", label: "Highest first" },
      { value: "bottom", label: "Lowest first" },
    ];
    refill(
      this.ranking.tools,
      segmented("Order", orders, scene.params.order ?? "top", go("order", "top")),
      select("By", metrics, scene.params.metric ?? "change", go("metric", "change")),
    );
  }

  private drawPrices(scene: Scene, symbol: PricedSymbol, span: Span, isForced: boolean): void {
    const shortest = BigInt(Math.max(1, symbol.tickIntervalSeconds));
    const wanted = (span.end - span.start) / 1_000_000n / BARS;
    const bucketSeconds = Number(wanted > shortest ? wanted : shortest);
    const asked = question(PriceService.method.listPrices, {
      symbol: symbol.name,
      window: windowOf(span),
      bucketSeconds,
      pageSize: 10_000,
    });
    const render = (answer: ListPricesResponse) =>
      this.drawBars(scene, symbol, answer, bucketSeconds);
    void this.chart.load({ ...asked, render }, isForced);
  }

  private drawBars(
    scene: Scene,
    symbol: PricedSymbol,
    { bars, window }: ListPricesResponse,
    length: number,
  ): Node {
    const span = spanOfWindow(window);
    const last = bars[bars.length - 1];
    this.chart.say(`up to ${sayInstant(span.end, scene.zone, "minute")}`);
    if (!last) return empty(`No prices of ${symbol.name} in these 24 hours`);
    this.drawn?.close();
    this.drawn = new Chart({
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
    });
    const head = el(
      "div.figure",
      {},
      el("div.figure-value", {}, num(last.close, symbol.quote)),
      el("div.figure-more", {}, `${symbol.name}, closing price of the last ${sayLength(length)}`),
    );
    return el("div", {}, head, this.drawn.root, barNumbers(bars, symbol, scene));
  }

  private rank(scene: Scene, span: Span, isForced: boolean): void {
    const metric = METRICS.find(({ value }) => value === scene.params.metric) ?? METRICS[0];
    const page = scene.params.page ?? "";
    const asked = question(PriceService.method.rankSymbols, {
      window: windowOf(span),
      metric: metric?.metric ?? SymbolMetric.CHANGE_PERCENT,
      lowestFirst: scene.params.order === "bottom",
      pageSize: PAGE_SIZE,
      pageToken: page,
    });
    const render = (answer: RankSymbolsResponse) => {
      this.ranking.say(num(answer.populationSize), " symbols in the same 24 hours");
      // A page is one of the same window.
      const asof = formatInstant(span.end);
      const go = (next: string) =>
        this.stage.go({ page: next || undefined, asof: next ? asof : undefined });
      const pages = pager({ current: page, next: answer.nextPageToken, go });
      const caption = `Symbols by ${metric?.label.toLowerCase() ?? ""}`;
      return el("div", {}, rankTable(caption, metric?.label ?? "", answer.rows, this.stage), pages);
    };
    void this.ranking.load({ ...asked, render }, isForced);
  }

  close(): void {
    for (const panel of [this.symbols, this.chart, this.ranking]) panel.close();
    this.drawn?.close();
    this.alerts.close();
  }
}

function howToPrice(): HTMLElement {
  return empty(
    "No prices are recorded yet",
    el("p", {}, "Import a file of them, or have the server take them from an exchange:"),
    el(
      "pre",
      {},
      el(
        "code",
        {},
        "daybook import --prices docs/examples/prices.csv --tick-interval 300\n",
        "daybook serve --price-source kraken --price-symbols BTC-USD,ETH-USD",
      ),
    ),
  );
}

function busiest(symbols: PricedSymbol[]): PricedSymbol | undefined {
  const at = (symbol: PricedSymbol) => instantOf(symbol.lastTick?.tickedAt);
  return symbols.reduce<PricedSymbol | undefined>(
    (best, symbol) => (!best || at(symbol) > at(best) ? symbol : best),
    undefined,
  );
}

/** The last 24 hours; of prices that are older, those up to the newest tick and with it. */
function lastDay(symbols: PricedSymbol[], asOf: bigint): Span {
  const newest = instantOf(busiest(symbols)?.lastTick?.tickedAt);
  const end = newest < asOf - DAY ? newest + 1n : asOf;
  return { start: end - DAY, end };
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

function barNumbers(rows: readonly Bar[], { quote }: PricedSymbol, scene: Scene): HTMLElement {
  const details = el("details.numbers", {}, el("summary", {}, "Numbers"));
  const price = (label: string, of: (bar: Bar) => string) => ({
    label,
    isNumber: true,
    cell: (bar: Bar) => num(of(bar)),
  });
  const columns: Column<Bar>[] = [
    { label: "From", cell: ({ startsAt }) => when(instantOf(startsAt), scene.zone) },
    price(`Open (${quote})`, ({ open }) => open),
    price("High", ({ high }) => high),
    price("Low", ({ low }) => low),
    price("Close", ({ close }) => close),
    { label: "Ticks", isNumber: true, cell: ({ tickCount }) => num(tickCount) },
  ];
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1)
      details.append(table({ caption: "Prices", columns, rows }));
  });
  return details;
}

function rankTable(
  caption: string,
  label: string,
  rows: readonly SymbolRank[],
  stage: Stage,
): HTMLElement {
  const name = ({ symbol, isThin }: SymbolRank) => [
    el("a.member", { href: stage.link("prices", { symbol }) }, symbol),
    isThin
      ? el("span.network", { title: "Too few ticks to be ranked with others" }, "thin")
      : undefined,
  ];
  const columns: Column<SymbolRank>[] = [
    { label: "#", isNumber: true, cell: ({ rank }) => (rank > 0n ? String(rank) : "–") },
    { label: "Symbol", cell: name },
    { label, isNumber: true, cell: ({ value }) => (value ? trimmed(value, 6) : "undefined") },
    {
      label: "First price",
      isNumber: true,
      isMinor: true,
      cell: ({ firstTick }) => (firstTick ? num(firstTick.price) : "–"),
    },
    {
      label: "Last price",
      isNumber: true,
      cell: ({ lastTick }) => (lastTick ? num(lastTick.price) : "–"),
    },
    {
      label: "Ticks of those expected",
      isNumber: true,
      isMinor: true,
      cell: ({ tickCount, expectedTickCount }) => [num(tickCount), " of ", num(expectedTickCount)],
    },
  ];
  return table({ caption, columns, rows });
}
