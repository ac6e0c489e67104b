// Alerts as they come: a stream that is taken up where it ended.
import { type AlertEvent, PriceService } from "../../generated/daybook/v1/price_service_pb";
import { Code } from "@connectrpc/connect";
import { isOutage } from "../core/words";
import { instantOf } from "../messages";
import { failureOf, watch } from "../rpc";
import type { Scene } from "../scene";
import { mark } from "../ui/controls";
import { el } from "../ui/dom";
import { empty, failed } from "../ui/notice";
import { num, trimmed } from "../ui/number";
import { Panel } from "../ui/panel";
import { type Column, table } from "../ui/table";
import { when } from "../ui/when";

/** As many as are shown, and asked for from before now. */
const EVENTS_MAX = 50;
const AGAIN_MS = 1000;

export class Alerts {
  private readonly panel = new Panel("Alerts", undefined, "wide");
  readonly root = this.panel.root;
  private asking = new AbortController();
  private events: AlertEvent[] = [];
  private after: bigint | undefined;

  begin(scene: Scene): void {
    this.asking.abort();
    this.asking = new AbortController();
    void this.follow(scene, this.asking.signal);
  }

  private async follow(scene: Scene, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.after ??= await this.someBefore(signal);
        await this.watch(scene, signal);
      } catch (error) {
        if (signal.aborted) return;
        const failure = failureOf(error);
        this.panel.say(mark("warn", "Stale"));
        if (!isOutage(failure))
          this.panel.show(failed(failure, { retry: () => this.begin(scene) }));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  /** An event some events ago, or the very first one, where there were so few. */
  private async someBefore(signal: AbortSignal): Promise<bigint> {
    const newest = await this.newest(signal);
    const wanted = newest > BigInt(EVENTS_MAX) ? newest - BigInt(EVENTS_MAX) : 0n;
    // Ids may have gaps, and a stream begins behind one that there was.
    return (await this.isEvent(wanted, signal)) ? wanted : newest;
  }

  private async newest(signal: AbortSignal): Promise<bigint> {
    const stop = new AbortController();
    signal.addEventListener("abort", () => stop.abort());
    const asked = watch(PriceService.method.watchAlerts, {});
    for await (const { resumeAfter } of asked.messages(stop.signal)) {
      stop.abort();
      return resumeAfter;
    }
    return 0n;
  }

  private async isEvent(id: bigint, signal: AbortSignal): Promise<boolean> {
    const stop = new AbortController();
    signal.addEventListener("abort", () => stop.abort());
    const asked = watch(PriceService.method.watchAlerts, { afterEventId: id });
    try {
      for await (const _ of asked.messages(stop.signal)) {
        stop.abort();
        return true;
      }
    } catch (error) {
      if (failureOf(error).code !== Code.InvalidArgument) throw error;
    }
    return false;
  }

  private async watch(scene: Scene, signal: AbortSignal): Promise<void> {
    const asked = watch(PriceService.method.watchAlerts, { afterEventId: this.after ?? 0n });
    this.panel.setLine(asked.line);
    for await (const { event, resumeAfter } of asked.messages(signal)) {
      if (signal.aborted) return;
      this.after = resumeAfter;
      if (event) this.events = [event, ...this.events].slice(0, EVENTS_MAX);
      this.panel.say(mark("good", "Live"));
      this.panel.show(this.events.length > 0 ? eventTable(this.events, scene) : nothing());
    }
  }

  close(): void {
    this.asking.abort();
    this.panel.close();
  }
}

function nothing(): HTMLElement {
  return empty(
    "No alerts yet",
    el(
      "p",
      {},
      "A rule watches a symbol and says when its price does something; what it says appears here",
      " as it happens. PriceService.CreateAlertRule makes one.",
    ),
  );
}

const CONDITIONS: Record<string, string> = {
  times_average: "times the average",
  above: "at or above",
  below: "at or below",
  change: "change in percent",
  no_data: "no data",
};

function eventTable(rows: readonly AlertEvent[], scene: Scene): HTMLElement {
  const columns: Column<AlertEvent>[] = [
    { label: "When", cell: ({ occurredAt }) => when(instantOf(occurredAt), scene.zone) },
    {
      label: "State",
      cell: ({ firing }) => (firing ? mark("warn", "Fires") : mark("good", "Over")),
    },
    { label: "Symbol", cell: ({ symbol }) => symbol },
    {
      label: "Rule",
      cell: ({ ruleName, condition, threshold }) => [
        ruleName,
        el("div.small", {}, `${CONDITIONS[condition] ?? condition} ${threshold}`),
      ],
    },
    { label: "Price", isNumber: true, cell: ({ price }) => (price ? num(price) : "–") },
    {
      label: "Value",
      isNumber: true,
      isMinor: true,
      cell: ({ value }) => (value ? trimmed(value, 6) : "–"),
    },
  ];
  return table({ caption: "Alerts", columns, rows });
}
