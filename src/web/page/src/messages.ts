// Between what the page works with and the messages of the contract.
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Window, WindowSchema } from "../generated/daybook/v1/window_pb";
import { type Instant, SECOND } from "./core/instant";
import { BUCKETS, type BucketName, type Span } from "./core/range";

export function timestampOf(at: Instant): Timestamp {
  const fraction = ((at % SECOND) + SECOND) % SECOND;
  const seconds = (at - fraction) / SECOND;
  return create(TimestampSchema, { seconds, nanos: Number(fraction) * 1000 });
}

export function instantOf(timestamp: Timestamp | undefined): Instant {
  if (!timestamp) return 0n;
  return timestamp.seconds * SECOND + BigInt(Math.floor(timestamp.nanos / 1000));
}

export function windowOf({ start, end }: Span): Window {
  return create(WindowSchema, { start: timestampOf(start), end: timestampOf(end) });
}

export function spanOfWindow(window: Window | undefined): Span {
  return { start: instantOf(window?.start), end: instantOf(window?.end) };
}

/** Seconds for an axis, as a float. */
export function axisSeconds(at: Instant): number {
  return Number(at) / 1e6;
}

/** Fields of a question about buckets. */
export function bucketFields(name: BucketName, zone: string) {
  const { unit, count } = BUCKETS[name];
  return { bucketUnit: unit as number, bucketCount: count > 1 ? count : 0, timeZone: zone };
}
