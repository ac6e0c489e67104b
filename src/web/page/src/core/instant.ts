// Instants as the server has them, in whole microseconds, and how they look in a time zone.

/** Microseconds since 1970-01-01T00:00:00Z. */
export type Instant = bigint;

export const SECOND = 1_000_000n;
export const MINUTE = 60n * SECOND;
export const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;

const SHAPE = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?(Z)?$/;

/** Reads `2026-06-01`, `2026-06-01T12:30` and finer, all in UTC; undefined for anything else. */
export function parseInstant(text: string): Instant | undefined {
  const found = SHAPE.exec(text.trim());
  if (!found) return undefined;
  const [, day, minute = "00:00", second = "00", fraction = ""] = found;
  const ms = Date.parse(`${day}T${minute}:${second}Z`);
  if (Number.isNaN(ms)) return undefined;
  // Date takes 31 February for 3 March.
  if (new Date(ms).toISOString().slice(0, 10) !== day) return undefined;
  return BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, "0"));
}

/** The shortest exact way to write it in UTC: `2026-06-01T12:30:00Z`. */
export function formatInstant(at: Instant): string {
  const fraction = ((at % SECOND) + SECOND) % SECOND;
  const whole = new Date(Number((at - fraction) / 1000n)).toISOString().slice(0, 19);
  const digits = fraction === 0n ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
  return `${whole}${digits}Z`;
}

export function toDate(at: Instant): Date {
  return new Date(Number(at / 1000n));
}

export function fromDate(date: Date): Instant {
  return BigInt(date.getTime()) * 1000n;
}

/** Whether the browser knows the zone. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`;
  const found =
    formatters.get(key) ?? new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
  formatters.set(key, found);
  return found;
}

/** The clock of a zone at an instant: `2026-06-01T14:30:00`. */
export function wallOf(at: Instant, zone: string): string {
  const fields: Record<string, string> = {};
  const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit" } as const;
  const clock = { ...options, minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  for (const part of formatter(zone, clock).formatToParts(toDate(at))) {
    fields[part.type] = part.value;
  }
  const { year = "", month, day, hour, minute, second } = fields;
  return `${year.padStart(4, "0")}-${month}-${day}T${hour}:${minute}:${second}`;
}

/** How far the clock of a zone is ahead of UTC. */
function offset(at: Instant, zone: string): bigint {
  const wall = parseInstant(wallOf(at, zone)) ?? at;
  const second = at - (((at % SECOND) + SECOND) % SECOND);
  return wall - second;
}

/**
 * The instant at which the clock of a zone shows something: the first one where it does so twice,
 * and the one as far behind the jump where it never does.
 */
export function instantOfWall(wall: string, zone: string): Instant | undefined {
  const asUtc = parseInstant(wall);
  if (asUtc === undefined) return undefined;
  // A jump of the clock lies between a day before and a day after, and there is at most one.
  const candidates = [asUtc - offset(asUtc - DAY, zone), asUtc - offset(asUtc + DAY, zone)];
  const second = asUtc - (asUtc % SECOND);
  const shown = candidates.filter((at) => parseInstant(wallOf(at, zone)) === second);
  const [first = candidates[0]] = shown.sort((a, b) => (a < b ? -1 : 1));
  return first;
}

/** Midnight of the zone's day that an instant lies in. */
export function startOfDay(at: Instant, zone: string): Instant {
  return instantOfWall(wallOf(at, zone).slice(0, 10), zone) ?? at;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const WEEKDAYS = "Sun Mon Tue Wed Thu Fri Sat".split(" ");

/** What a zone's calendar shows: year, month and day as people write them, and the clock. */
function shown(at: Instant, zone: string) {
  const wall = wallOf(at, zone);
  const [year = "", month = "", day = ""] = wall.slice(0, 10).split("-");
  const weekday = WEEKDAYS[new Date(`${wall.slice(0, 10)}T00:00:00Z`).getUTCDay()] ?? "";
  const name = MONTHS[Number(month) - 1] ?? "";
  return { year: String(Number(year)), month: name, day: String(Number(day)), weekday, wall };
}

/** `1 Jun 2026, 14:30:00`. */
export function sayInstant(
  at: Instant,
  zone: string,
  style: "minute" | "second" = "second",
): string {
  const { year, month, day, wall } = shown(at, zone);
  return `${day} ${month} ${year}, ${wall.slice(11, style === "minute" ? 16 : 19)}`;
}

/** `Mon 1 Jun 2026`. */
export function sayDay(at: Instant, zone: string): string {
  const { year, month, day, weekday } = shown(at, zone);
  return `${weekday} ${day} ${month} ${year}`;
}

/** A label of a time axis whose labels are so many seconds apart. */
export function sayTick(at: Instant, zone: string, stepSeconds: number): string {
  const daySeconds = 86_400;
  const { year, month, day, wall } = shown(at, zone);
  if (stepSeconds >= 365 * daySeconds) return year;
  if (stepSeconds >= 28 * daySeconds) return `${month} ${year}`;
  const isMidnight = wall.endsWith("T00:00:00");
  return stepSeconds < daySeconds && !isMidnight ? wall.slice(11, 16) : `${day} ${month}`;
}

/** How long ago something was: `3 s ago`, `2 h ago`. */
export function sayAgo(at: Instant, now: Instant): string {
  const span = now > at ? now - at : 0n;
  if (span < 2n * SECOND) return "just now";
  if (span < 2n * MINUTE) return `${span / SECOND} s ago`;
  if (span < 2n * HOUR) return `${span / MINUTE} min ago`;
  if (span < 2n * DAY) return `${span / HOUR} h ago`;
  return `${span / DAY} days ago`;
}
