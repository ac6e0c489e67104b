// Decimals as they come from the server: exact strings of any size, never rounded here. Only
// `toPixels` makes a float of one, for where a bar ends.

export interface Parts {
  isNegative: boolean;
  /** Digits before the point in groups of three, the first one shorter. */
  groups: string[];
  /** Digits behind the point; empty if there are none. */
  fraction: string;
}

const SHAPE = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Takes a decimal apart; undefined for what is none. */
export function parts(text: string): Parts | undefined {
  const found = SHAPE.exec(text);
  if (!found) return undefined;
  const digits = found[2] ?? "";
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 3) {
    groups.unshift(digits.slice(Math.max(0, end - 3), end));
  }
  return { isNegative: found[1] === "-", groups, fraction: found[3] ?? "" };
}

/** Both numbers as integers of the same scale. */
function aligned(a: string, b: string): [bigint, bigint] {
  const scale = (text: string) => (SHAPE.exec(text)?.[3] ?? "").length;
  const places = Math.max(scale(a), scale(b));
  const whole = (text: string) => {
    const [, sign = "", digits = "0", fraction = ""] = SHAPE.exec(text) ?? [];
    const value = BigInt(digits + fraction.padEnd(places, "0"));
    return sign ? -value : value;
  };
  return [whole(a), whole(b)];
}

/** Below, at or above zero as `a` is less than, equal to or more than `b`, exactly. */
export function compare(a: string, b: string): number {
  const [left, right] = aligned(a, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A float near the number, for pixels only. */
export function toPixels(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) ? value : 0;
}

/** How long a bar is, from 0 to 1, beside the largest of its column. */
export function ratio(text: string, largest: string): number {
  const most = Math.abs(toPixels(largest));
  return most === 0 ? 0 : Math.min(1, Math.abs(toPixels(text)) / most);
}

/** The one that is farthest from zero; zero of none. */
export function largest(texts: readonly string[]): string {
  const bare = (text: string) => text.replace(/^-/, "");
  return texts.map(bare).reduce((most, text) => (compare(text, most) > 0 ? text : most), "0");
}

const UNITS: [number, string][] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/**
 * A label for an axis whose labels are `step` apart: `1.5M`, with as many digits as tell two of
 * them apart. Rounded, so never the only place where a number stands.
 */
export function short(value: number, step: number): string {
  const size = Math.abs(value);
  // Beyond what a word is usual for: 1.2e29.
  if (size >= 1e15) return value.toExponential(2).replace(/\.?0*e\+/, "e");
  const [unit, suffix] = UNITS.find(([from]) => size >= from * 0.9999) ?? [1, ""];
  const text = (value / unit).toFixed(placesOf(step / unit));
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}${suffix}`;
}

/** Digits behind the point of a number that has few. */
function placesOf(value: number): number {
  for (let places = 0; places < 12; places += 1) {
    const shifted = value * 10 ** places;
    if (shifted >= 0.999 && Math.abs(shifted - Math.round(shifted)) < 1e-6 * shifted) return places;
  }
  return 12;
}

const SIZES: [bigint, string][] = [
  [1n << 40n, "TiB"],
  [1n << 30n, "GiB"],
  [1n << 20n, "MiB"],
  [1n << 10n, "KiB"],
];

/** A size for people: `1.4 MiB`. */
export function bytes(size: bigint): string {
  const [unit, suffix] = SIZES.find(([from]) => size >= from) ?? [1n, "B"];
  if (unit === 1n) return `${size} B`;
  const scaled = Number(size) / Number(unit);
  return `${scaled.toFixed(scaled >= 100 ? 0 : 1)} ${suffix}`;
}

/** A length in the largest unit that it is whole in: `5 minutes`. */
export function sayLength(seconds: number): string {
  const units: [number, string][] = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ];
  const [unit, name] = units.find(([size]) => seconds % size === 0) ?? [1, "second"];
  const count = seconds / unit;
  return count === 1 ? name : `${count} ${name}s`;
}

/** A time that something took: `0.84 ms`. */
export function duration(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(seconds >= 100 ? 0 : 2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(seconds >= 0.1 ? 0 : 1)} ms`;
  return `${Math.round(seconds * 1e6)} µs`;
}
