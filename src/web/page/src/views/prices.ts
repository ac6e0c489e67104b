// Prices of a symbol over a day, all symbols in order, and alerts as they come.
import { isLost } from "../connection";
import {
  type ListPricesResponse,
  type ListSymbolsResponse,
  PriceService,
  type RankSymbolsResponse,
  type Symbol as PricedSymbol,
  SymbolMetric,
  type SymbolRank,
} from "../../generated/daybook/v1/price_service_pb";
import {
  DAY,
  type Instant,
  MINUTE,
  SECOND,
  formatInstant,
  fromDate,
  parseInstant,
  sayInstant,
} from "../core/instant";
import type { CHOICES } from "../core/link";
import type { Span } from "../core/range";
import { instantOf, spanOfWindow, windowOf } from "../messages";
import { question } from "../rpc";
import type { Scene, Stage, View } from "../scene";
import { mark, segmented, select } from "../ui/controls";
import { el, refill } from "../ui/dom";
import { empty } from "../ui/notice";
import { num, trimmed } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, pager, table } from "../ui/table";
import { Alerts } from "./alerts";
import { PriceChart, type ShownPrices } from "./pricechart";

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
const SYMBOLS = { pageSize: 1000 };
/** What is newest is looked for this often; unheard of for longer, it is not to be trusted. */
const POLL_EVERY = 5n * SECOND;
const STALE_AFTER = 15n * SECOND;

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
  private drawn: PriceChart | undefined;
  private isShown = false;
  private scene: Scene | undefined;
  private readonly asking = new AbortController();
  /** Whether what is asked is so by itself, and not because somebody wants something else. */
  private isFollowing = false;
  /** Newest ticks of all symbols, and as of when what is in sight was asked. */
  private seen = { ticks: "", asOf: 0n };
  /** When it was last heard what is newest, and asked for, by this machine's clock. */
  private heardAt: Instant = 0n;
  private polledAt: Instant = 0n;
  private upTo = "";
  private note = "";
  private tools = "";
  private readonly clock = setInterval(() => this.tick(), 1000);

  constructor(private readonly stage: Stage) {
    this.alerts = new Alerts();
    this.root.append(this.symbols.root);
  }

  update(scene: Scene, isForced: boolean): void {
    this.scene = scene;
    const asked = question(PriceService.method.listSymbols, SYMBOLS);
    if (isForced || !this.isShown) this.alerts.begin(scene);
    void this.symbols.load(
      {
        ...asked,
        // Which symbol is shown is no part of the question, but of what is drawn of its answer.
        key: `${asked.key} ${JSON.stringify(scene.params)}`,
        render: (answer) => {
          this.arrange(scene, answer, isForced);
          return howToPrice();
        },
      },
      isForced,
    );
  }

  /** Pages are of one window, and stay what they are. */
  private isFollowed({ params }: Scene): boolean {
    return !params.asof && !document.hidden && !isLost();
  }

  private tick(): void {
    this.tellLive();
    const now = fromDate(new Date());
    if (!this.scene || !this.isShown || !this.isFollowed(this.scene)) return;
    if (now - this.polledAt < POLL_EVERY) return;
    this.polledAt = now;
    void this.follow(this.scene);
  }

  /** Looks whether there are other ticks, and only then at what they make. */
  private async follow(scene: Scene): Promise<void> {
    try {
      const asked = question(PriceService.method.listSymbols, SYMBOLS);
      const answer = await asked.ask(this.asking.signal);
      if (scene !== this.scene) return;
      this.hear();
      const isOld = instantOf(answer.asOf) - this.seen.asOf >= MINUTE;
      if (ticksOf(answer.symbols) === this.seen.ticks && !isOld) return;
      this.isFollowing = true;
      this.arrange(scene, answer, false);
    } catch {
      // It is asked again, and what is in sight is marked before long.
    } finally {
      this.isFollowing = false;
    }
  }

  private hear(): void {
    this.heardAt = fromDate(new Date());
    this.tellLive();
  }

  private tellLive(): void {
    if (!this.upTo || !this.scene) return;
    const isHeard = fromDate(new Date()) - this.heardAt < STALE_AFTER && !isLost();
    const state = this.scene.params.asof ? "" : isHeard ? "Live" : "Stale";
    const note = `${state} ${this.upTo}`;
    if (note === this.note) return;
    this.note = note;
    const shown = state ? mark(isHeard ? "good" : "warn", state) : undefined;
    this.chart.say(shown, state ? ` · ${this.upTo}` : this.upTo);
  }

  private arrange(scene: Scene, answer: ListSymbolsResponse, isForced: boolean): void {
    const { symbols } = answer;
    const asOf = instantOf(answer.asOf);
    this.seen = { ticks: ticksOf(symbols), asOf };
    this.hear();
    const chosen = symbols.find(({ name }) => name === scene.params.symbol) ?? busiest(symbols);
    this.isShown = true;
    if (!chosen) {
      this.lay(this.symbols.root, this.alerts.root);
      return;
    }
    this.tellSymbol(scene.params.symbol, chosen.name);
    this.lay(this.unread, this.chart.root, this.ranking.root, this.alerts.root);
    const span = lastDay(symbols, parseInstant(scene.params.asof ?? "") ?? asOf);
    this.showTools(scene, symbols, chosen.name);
    this.drawPrices(scene, chosen, span, isForced);
    this.rank(scene, span, isForced);
  }

  /** Shows these parts: what stands there already keeps the pointer and the keyboard. */
  private lay(...parts: HTMLElement[]): void {
    const isLaid = parts.length === this.root.children.length;
    if (isLaid && parts.every((part, at) => part === this.root.children[at])) return;
    this.root.replaceChildren(...parts);
  }

  /** That a link names a symbol that there is not. */
  private tellSymbol(asked: string | undefined, shown: string): void {
    this.unread.hidden = !asked || asked === shown;
    this.unread.textContent = `The link's symbol, “${asked}”, has no prices: this is ${shown}.`;
  }

  private showTools(scene: Scene, symbols: PricedSymbol[], current: string): void {
    const options = symbols.map(({ name }) => ({ value: name, label: name }));
    // An open list of choices is not taken away from whoever looks at it.
    const tools = JSON.stringify([options, current, scene.params]);
    if (tools === this.tools) return;
    this.tools = tools;
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
    const render = ({ bars, window }: ListPricesResponse) =>
      this.drawBars({ symbol, bars, span: spanOfWindow(window), length: bucketSeconds, scene });
    void this.chart.load({ ...asked, render, isQuiet: this.isFollowing }, isForced);
  }

  private drawBars(shown: ShownPrices): Node {
    this.upTo = `up to ${sayInstant(shown.span.end, shown.scene.zone, "minute")}`;
    this.tellLive();
    if (this.drawn?.isOf(shown) && this.drawn.root.isConnected) {
      this.drawn.update(shown);
    } else {
      this.drawn?.close();
      this.drawn = new PriceChart(shown);
    }
    return this.drawn.root;
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
    void this.ranking.load({ ...asked, render, isQuiet: this.isFollowing }, isForced);
  }

  close(): void {
    clearInterval(this.clock);
    this.asking.abort();
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

function ticksOf(symbols: readonly PricedSymbol[]): string {
  return symbols.map(({ name, lastTick }) => `${name} ${instantOf(lastTick?.tickedAt)}`).join();
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
