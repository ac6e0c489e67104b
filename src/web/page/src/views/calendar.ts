// Days as squares, a column a week and a block a year: the more space a day takes, the darker.
import { DayState, type PartitionDay } from "../../generated/daybook/v1/status_service_pb";
import { bytes } from "../core/decimal";
import { parseInstant, sayDay, toDate } from "../core/instant";
import { el } from "../ui/dom";
import { num } from "../ui/number";
import { type Column, table } from "../ui/table";
import { mark } from "../ui/controls";

const LEVELS = 4;
/** Columns that the name of a month takes. */
const LABEL_WEEKS = 2;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function calendar(days: readonly PartitionDay[]): HTMLElement {
  const largest = days.reduce((most, { sizeBytes }) => (sizeBytes > most ? sizeBytes : most), 1n);
  const years = new Map<string, PartitionDay[]>();
  for (const day of days) {
    const year = day.day.slice(0, 4);
    years.set(year, [...(years.get(year) ?? []), day]);
  }
  const told = el("p.small.calendar-told", { role: "status" }, summary(days));
  const tell = (text: string) => (told.textContent = text || summary(days));
  const blocks = [...years].map(([year, own]) => yearBlock(year, own, largest, tell));
  return el("div", {}, el("div.calendar-years", {}, ...blocks), told, legend(), numbers(days));
}

function summary(days: readonly PartitionDay[]): string {
  const size = days.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
  const [first, last] = [days[0]?.day ?? "", days[days.length - 1]?.day ?? ""];
  const said = `${days.length} days from ${first} to ${last}, ${bytes(size)} together.`;
  return `${said} Point at a day to read it.`;
}

function yearBlock(
  year: string,
  days: PartitionDay[],
  largest: bigint,
  tell: (text: string) => void,
): HTMLElement {
  const grid = el("div.calendar", {
    role: "img",
    "aria-label": `Days of ${year}: the table below has their sizes`,
  });
  // Monday is the first row.
  const first = dateOf(`${year}-01-01`);
  const lead = (first.getUTCDay() + 6) % 7;
  // The first column is the week of the first day that there is.
  const weekOf = (day: string) => {
    const index = Math.round((dateOf(day).getTime() - first.getTime()) / 86_400_000) + lead;
    return { week: Math.floor(index / 7), weekday: index % 7 };
  };
  const { week: skipped } = weekOf(days[0]?.day ?? `${year}-01-01`);
  for (const day of days) {
    const { week, weekday } = weekOf(day.day);
    const square = el("span.day", { class: dayClass(day, largest), "data-day": day.day });
    square.style.gridColumn = String(week - skipped + 1);
    square.style.gridRow = String(weekday + 2);
    square.addEventListener("mouseenter", () => tell(say(day)));
    grid.append(square);
  }
  const months = [...new Set(days.map(({ day }) => Number(day.slice(5, 7))))];
  const columns = months.map((month) => {
    const { week } = weekOf(`${year}-${String(month).padStart(2, "0")}-01`);
    return Math.max(0, week - skipped);
  });
  months.forEach((month, at) => {
    // A month that is cut off at the left has no room for its name.
    const next = columns[at + 1];
    const column = columns[at] ?? 0;
    if (next !== undefined && next - column < LABEL_WEEKS) return;
    const label = el("span.month", {}, MONTHS[month - 1] ?? "");
    label.style.gridColumn = String(column + 1);
    grid.append(label);
  });
  grid.addEventListener("mouseleave", () => tell(""));
  const frame = el("div.calendar-frame", {}, grid);
  // The newest days are what one looks for, where there is no room for all.
  requestAnimationFrame(() => frame.scrollTo({ left: frame.scrollWidth }));
  return el("div.calendar-year", {}, el("div.calendar-name", {}, year), frame);
}

function dateOf(day: string): Date {
  return toDate(parseInstant(day) ?? 0n);
}

function dayClass({ sizeBytes, rowCount, state }: PartitionDay, largest: bigint): string {
  if (state === DayState.DROPPED) return "dropped";
  if (state === DayState.DETACHED) return "detached";
  if (rowCount === 0n) return "level-0";
  // What is there is never as pale as what is not.
  const level = Number((sizeBytes * BigInt(LEVELS)) / (largest + 1n)) + 1;
  return `level-${Math.min(LEVELS, level)}`;
}

function stateWord(state: DayState): string {
  if (state === DayState.DROPPED) return "dropped by retention";
  if (state === DayState.DETACHED) return "detached";
  return "present";
}

function say({ day, sizeBytes, rowCount, state }: PartitionDay): string {
  const rows = rowCount < 0n ? "rows not known" : `${rowCount} rows`;
  const said = sayDay(parseInstant(day) ?? 0n, "UTC");
  return `${said}: ${rows}, ${bytes(sizeBytes)}, ${stateWord(state)}`;
}

function legend(): HTMLElement {
  const squares = Array.from({ length: LEVELS }, (_, level) =>
    el("span.day", { class: `level-${level + 1}` }),
  );
  const entry = (...parts: (HTMLElement | string)[]) => el("span.calendar-entry", {}, ...parts);
  return el(
    "div.calendar-legend",
    { "aria-hidden": "true" },
    entry(el("span.day.level-0"), "empty"),
    entry("small", ...squares, "large"),
    entry(el("span.day.dropped"), "dropped"),
    entry(el("span.day.detached"), "detached"),
  );
}

function numbers(days: readonly PartitionDay[]): HTMLElement {
  const details = el("details.numbers", {}, el("summary", {}, "Numbers"));
  const columns: Column<PartitionDay>[] = [
    { label: "Day (UTC)", cell: ({ day }) => day },
    {
      label: "Rows",
      isNumber: true,
      cell: ({ rowCount }) => (rowCount < 0n ? "unknown" : num(rowCount)),
    },
    { label: "Bytes", isNumber: true, cell: ({ sizeBytes }) => num(sizeBytes) },
    {
      label: "State",
      cell: ({ state }) => mark(state === DayState.PRESENT ? "good" : "warn", stateWord(state)),
    },
  ];
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(table({ caption: "Days", columns, rows: [...days].reverse() }));
    }
  });
  return details;
}
