// Which window a view is about: a preset that follows the clock, all data, or two instants; how it
// stands in the URL; and into which buckets it is cut.
import {
  DAY,
  HOUR,
  type Instant,
  MINUTE,
  SECOND,
  formatInstant,
  isZone,
  parseInstant,
  sayDay,
  sayInstant,
  startOfDay,
} from "./instant";

export interface Span {
  start: Instant;
  end: Instant;
}

/** Presets by their name in the URL, shortest first. */
export const PRESETS = {
  "1h": { span: HOUR, label: "1 h", title: "Last hour" },
  "24h": { span: DAY, label: "24 h", title: "Last 24 hours" },
  "7d": { span: 7n * DAY, label: "7 d", title: "Last 7 days" },
  "30d": { span: 30n * DAY, label: "30 d", title: "Last 30 days" },
  "1y": { span: 365n * DAY, label: "1 y", title: "Last 365 days" },
} as const;

export type PresetName = keyof typeof PRESETS;

export type Range =
  { kind: "last"; preset: PresetName } | { kind: "all" } | { kind: "fixed"; span: Span };

/** What is shown unless the URL says otherwise. */
export const DEFAULT_RANGE: Range = { kind: "last", preset: "30d" };

export function isPreset(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name);
}

/** Reads the range of a URL; what makes no sense is the default. */
export function rangeOf(params: Record<string, string>): Range {
  const { last = "", from = "", to = "" } = params;
  if (last === "all") return { kind: "all" };
  if (isPreset(last)) return { kind: "last", preset: last };
  const start = parseInstant(from);
  const end = parseInstant(to);
  if (start === undefined || end === undefined || start >= end) return DEFAULT_RANGE;
  return { kind: "fixed", span: { start, end } };
}

/** What in a URL is no window and no time zone, in words: something else is shown in its place. */
export function misread(params: Record<string, string>): string[] {
  const { last, from, to, tz } = params;
  const said: string[] = [];
  const isAsked = Boolean(last || from || to);
  if (isAsked && rangeOf(params) === DEFAULT_RANGE && last !== "30d") {
    const named = last ? `“${last}”` : `from “${from ?? ""}” to “${to ?? ""}”`;
    said.push(`The link's window, ${named}, is none: these are the last 30 days.`);
  }
  if (tz && !isZone(tz)) {
    said.push(`The link's time zone, “${tz}”, is none: times are your browser's.`);
  }
  return said;
}

/** What to put into the URL for a range; undefined takes a parameter out. */
export function rangeParams(range: Range): Record<string, string | undefined> {
  const none = { last: undefined, from: undefined, to: undefined };
  if (range.kind === "all") return { ...none, last: "all" };
  if (range.kind === "fixed") {
    return { ...none, from: formatInstant(range.span.start), to: formatInstant(range.span.end) };
  }
  const isDefault = DEFAULT_RANGE.kind === "last" && DEFAULT_RANGE.preset === range.preset;
  return { ...none, last: isDefault ? undefined : range.preset };
}

/** Two instants for a range. `data` says from when to when there is any, for all of it. */
export function spanOf(range: Range, now: Instant, zone: string, data?: Span): Span {
  if (range.kind === "fixed") return range.span;
  // Whole seconds, so that an end does not look odd in a copied line.
  const end = now - (now % SECOND);
  if (range.kind === "last") return { start: end - PRESETS[range.preset].span, end };
  const first = data?.start ?? end - PRESETS["1y"].span;
  const last = data && data.end > end ? data.end : end;
  return { start: startOfDay(first, zone), end: nextDay(last, zone) };
}

/** The midnight after an instant. */
function nextDay(at: Instant, zone: string): Instant {
  const today = startOfDay(at, zone);
  // A day has 23 to 25 hours.
  return startOfDay(today + 26n * HOUR, zone);
}

/** A range in words. */
export function sayRange(range: Range, zone: string): string {
  if (range.kind === "last") return PRESETS[range.preset].title;
  if (range.kind === "all") return "All data";
  return saySpan(range.span, zone);
}

/** From when to when, as short as it can be said exactly to the second. */
export function saySpan({ start, end }: Span, zone: string): string {
  const isDays = startOfDay(start, zone) === start && startOfDay(end, zone) === end;
  if (!isDays) return `${sayInstant(start, zone)} – ${sayInstant(end, zone)}`;
  const last = sayDay(end - 1n, zone);
  return sayDay(start, zone) === last ? last : `${sayDay(start, zone)} – ${last}`;
}

/** Lengths of buckets by their name in the URL, with the unit's number in the contract. */
export const BUCKETS = {
  "1m": { unit: 1, count: 1, span: MINUTE, label: "1 minute" },
  "5m": { unit: 1, count: 5, span: 5n * MINUTE, label: "5 minutes" },
  "30m": { unit: 1, count: 30, span: 30n * MINUTE, label: "30 minutes" },
  "1h": { unit: 2, count: 1, span: HOUR, label: "1 hour" },
  "6h": { unit: 2, count: 6, span: 6n * HOUR, label: "6 hours" },
  "1d": { unit: 3, count: 1, span: DAY, label: "1 day" },
  "1w": { unit: 4, count: 1, span: 7n * DAY, label: "1 week" },
  "1mo": { unit: 5, count: 1, span: 30n * DAY, label: "1 month" },
  "1yr": { unit: 6, count: 1, span: 365n * DAY, label: "1 year" },
} as const;

export type BucketName = keyof typeof BUCKETS;

/** More than this many bars are thinner than what one can point at. */
const BARS_MAX = 1000n;
/** As many bars as are easy on the eye. */
const BARS_WANTED = 100n;

/** Lengths that make two to a thousand bars of a span. */
export function bucketChoices({ start, end }: Span): BucketName[] {
  const names = Object.keys(BUCKETS) as BucketName[];
  const fits = (name: BucketName) => {
    const bars = (end - start) / BUCKETS[name].span;
    return bars <= BARS_MAX && bars >= 1n;
  };
  const fitting = names.filter(fits);
  return fitting.length > 0 ? fitting : [end - start < MINUTE ? "1m" : "1yr"];
}

/** The length that is asked for, where it fits; else the shortest that is easy on the eye. */
export function chooseBucket(span: Span, wanted?: string): BucketName {
  const choices = bucketChoices(span);
  const asked = choices.find((name) => name === wanted);
  const easy = choices.find((name) => (span.end - span.start) / BUCKETS[name].span <= BARS_WANTED);
  return asked ?? easy ?? choices[choices.length - 1] ?? "1d";
}
