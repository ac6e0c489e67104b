// The overview as it changes: a stream of the server's; where the server has none, questions
// every few seconds.
import {
  AnalyticsService,
  type RankRow,
  RankMetric,
  type SeriesBucket,
} from "../../generated/daybook/v1/analytics_service_pb";
import { Direction } from "../../generated/daybook/v1/window_pb";
import { Code } from "@connectrpc/connect";
import { type Instant, fromDate } from "../core/instant";
import { type BucketName, PRESETS, type Range, type Span } from "../core/range";
import { type Failure, isOutage } from "../core/words";
import { bucketFields, instantOf, spanOfWindow, windowOf } from "../messages";
import { totalQuestion } from "../questions";
import { failureOf, question, watch } from "../rpc";

export interface Overview {
  span: Span;
  asset: string;
  sumAmount: string;
  transactionCount: bigint;
  buckets: readonly SeriesBucket[];
  senders: readonly RankRow[];
  receivers: readonly RankRow[];
  answeredAt: Instant;
  databaseSeconds: number;
}

export interface Wanted {
  range: Range;
  span: Span;
  zone: string;
  asset: string;
  bucket: BucketName;
}

export interface FeedEvents {
  /** Another answer. */
  changed(overview: Overview): void;
  /** The answer before still holds, as of now. */
  unchanged(answeredAt: Instant): void;
  /** There will be no answer until somebody asks anew. */
  failed(failure: Failure): void;
}

export const TOP_COUNT = 8;
const POLL_MS = 5000;
const AGAIN_MS = 1000;

/** Tells what there is until `signal` is aborted, or until it failed. */
export async function feed(wanted: Wanted, events: FeedEvents, signal: AbortSignal): Promise<void> {
  let isStreaming = true;
  while (!signal.aborted) {
    try {
      if (isStreaming) await follow(wanted, events, signal);
      else await poll(wanted, events, signal);
      await pause(isStreaming ? AGAIN_MS : POLL_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure = failureOf(error);
      if (failure.code === Code.Unimplemented && isStreaming) {
        isStreaming = false;
        continue;
      }
      // Whoever watches the connection has everything asked again once it is back.
      if (!isOutage(failure)) events.failed(failure);
      return;
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function seconds(span: bigint) {
  return { seconds: span / 1_000_000n, nanos: 0 };
}

async function follow(wanted: Wanted, events: FeedEvents, signal: AbortSignal): Promise<void> {
  const { range, span, asset, bucket, zone } = wanted;
  const stream = watch(AnalyticsService.method.watchOverview, {
    asset,
    range:
      range.kind === "last"
        ? { case: "last", value: seconds(PRESETS[range.preset].span) }
        : { case: "window", value: windowOf(span) },
    ...bucketFields(bucket, zone),
    topCount: TOP_COUNT,
  });
  for await (const message of stream.messages(signal)) {
    const answeredAt = instantOf(message.answeredAt);
    if (message.isUnchanged) {
      events.unchanged(answeredAt);
      continue;
    }
    events.changed({
      span: spanOfWindow(message.window),
      asset: message.asset,
      sumAmount: message.sumAmount,
      transactionCount: message.transactionCount,
      buckets: message.buckets,
      senders: message.topSenders,
      receivers: message.topReceivers,
      answeredAt,
      databaseSeconds: message.databaseSeconds,
    });
  }
}

/** The window now: one that follows the clock has gone on. */
function current({ range, span }: Wanted): Span {
  if (range.kind !== "last") return span;
  const now = fromDate(new Date());
  const end = now - (now % 1_000_000n);
  return { start: end - PRESETS[range.preset].span, end };
}

async function poll(wanted: Wanted, events: FeedEvents, signal: AbortSignal): Promise<void> {
  const span = current(wanted);
  const { asset, bucket, zone } = wanted;
  const [total, series, senders, receivers] = await Promise.all([
    totalQuestion(span, asset).ask(signal),
    seriesQuestion(span, asset, bucket, zone).ask(signal),
    topQuestion(span, asset, Direction.SENDER).ask(signal),
    topQuestion(span, asset, Direction.RECEIVER).ask(signal),
  ]);
  const whole = total.series[0]?.buckets[0];
  events.changed({
    span,
    asset: series.asset,
    sumAmount: whole?.sumAmount ?? "0",
    transactionCount: whole?.transactionCount ?? 0n,
    buckets: series.series[0]?.buckets ?? [],
    senders: senders.rows,
    receivers: receivers.rows,
    answeredAt: instantOf(receivers.asOf),
    databaseSeconds: series.databaseSeconds,
  });
}

export function seriesQuestion(span: Span, asset: string, bucket: BucketName, zone: string) {
  return question(AnalyticsService.method.sumSeries, {
    subject: { case: "all", value: {} },
    asset,
    window: windowOf(span),
    ...bucketFields(bucket, zone),
    direction: Direction.SENDER,
    allowPartial: true,
  });
}

export function topQuestion(span: Span, asset: string, direction: Direction) {
  return question(AnalyticsService.method.rank, {
    asset,
    window: windowOf(span),
    direction,
    metric: RankMetric.SUM,
    pageSize: TOP_COUNT,
  });
}
