// The questions that several views ask.
import { Code } from "@connectrpc/connect";
import { AnalyticsService } from "../generated/daybook/v1/analytics_service_pb";
import { LedgerService } from "../generated/daybook/v1/ledger_service_pb";
import { ListOrder } from "../generated/daybook/v1/transaction_pb";
import type { User } from "../generated/daybook/v1/user_pb";
import { Direction } from "../generated/daybook/v1/window_pb";
import { BucketUnit } from "../generated/daybook/v1/analytics_service_pb";
import type { Span } from "./core/range";
import { instantOf, windowOf } from "./messages";
import { failureOf, question } from "./rpc";

/** The sum of everybody in a window: a series of one bucket that holds all of it. */
export function totalQuestion(span: Span, asset: string) {
  return question(AnalyticsService.method.sumSeries, {
    subject: { case: "all", value: {} },
    asset,
    window: windowOf(span),
    bucketUnit: BucketUnit.YEAR,
    bucketCount: 10_000,
    direction: Direction.SENDER,
    allowPartial: true,
  });
}

export interface Welcome {
  /** Code of the asset that is meant where none is named. */
  asset: string;
  /** The user whose the token is, where it is of one user. */
  own?: User;
}

/** What the page has to know before it shows anything. */
export async function welcome(signal: AbortSignal): Promise<Welcome> {
  const anySpan = { start: 0n, end: 1_000_000n };
  try {
    return { asset: (await totalQuestion(anySpan, "").ask(signal)).asset };
  } catch (error) {
    // Who may not ask about everybody may still be told which assets there are.
    const { assets } = await question(LedgerService.method.listAssets, {}).ask(signal);
    const asset = assets[0]?.code ?? "";
    const own = failureOf(error).code === Code.PermissionDenied && (await ownUser(signal));
    return own ? { asset, own } : { asset };
  }
}

/** Of those who may not ask about everybody, a token of one user has a list: that user. */
async function ownUser(signal: AbortSignal): Promise<User | undefined> {
  try {
    const asked = question(LedgerService.method.listUsers, { pageSize: 1 });
    return (await asked.ask(signal)).users[0];
  } catch (error) {
    if (failureOf(error).code === Code.PermissionDenied) return undefined;
    throw error;
  }
}

/** From the first row of an asset to behind the last one; undefined without any. */
export async function dataExtent(asset: string, signal: AbortSignal): Promise<Span | undefined> {
  const edge = async (order: ListOrder) => {
    const one = { subject: { case: "all" as const, value: {} }, asset, order, pageSize: 1 };
    const answer = await question(LedgerService.method.listTransactions, one).ask(signal);
    return answer.transactions[0]?.transaction?.occurredAt;
  };
  const [first, last] = await Promise.all([
    edge(ListOrder.OLDEST_FIRST),
    edge(ListOrder.NEWEST_FIRST),
  ]);
  return first && last ? { start: instantOf(first), end: instantOf(last) + 1n } : undefined;
}
