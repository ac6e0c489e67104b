import assert from "node:assert/strict";
import { test } from "node:test";
import { formatInstant, parseInstant } from "./instant";
import {
  BUCKETS,
  DEFAULT_RANGE,
  bucketChoices,
  chooseBucket,
  misread,
  rangeOf,
  rangeParams,
  saySpan,
  spanOf,
} from "./range";

const at = (text: string) => parseInstant(text) ?? assert.fail(text);
const span = (start: string, end: string) => ({ start: at(start), end: at(end) });
const NOW = at("2026-06-15T10:30:00.25Z");

test("a range survives the URL", () => {
  const ranges: Record<string, string>[] = [
    { last: "7d" },
    { last: "all" },
    { from: "2026-06-01T00:00:00Z", to: "2026-06-02T00:00:00.000001Z" },
  ];
  for (const params of ranges) {
    const again = rangeParams(rangeOf(params));
    assert.deepEqual(
      Object.fromEntries(Object.entries(again).filter(([, value]) => value)),
      params,
    );
  }
});

test("what makes no sense is the default, which the URL leaves out", () => {
  const nonsense: Record<string, string>[] = [
    {},
    { last: "9d" },
    { last: "toString" },
    { from: "2026-06-02", to: "2026-06-01" },
    { from: "x", to: "y" },
  ];
  for (const params of nonsense) {
    assert.deepEqual(rangeOf(params), DEFAULT_RANGE);
  }
  assert.deepEqual(rangeParams(DEFAULT_RANGE), { last: undefined, from: undefined, to: undefined });
});

test("presets end now, on a whole second", () => {
  const { start, end } = spanOf({ kind: "last", preset: "24h" }, NOW, "UTC");
  assert.equal(formatInstant(end), "2026-06-15T10:30:00Z");
  assert.equal(formatInstant(start), "2026-06-14T10:30:00Z");
});

test("all data reaches over whole days of the zone, today among them", () => {
  const data = span("2025-06-01T13:00:00Z", "2026-06-14T10:00:00Z");
  const { start, end } = spanOf({ kind: "all" }, NOW, "Europe/Berlin", data);
  assert.equal(formatInstant(start), "2025-05-31T22:00:00Z");
  assert.equal(formatInstant(end), "2026-06-15T22:00:00Z");
});

test("every window has buckets, few enough to point at", () => {
  const windows: [string, string, string][] = [
    ["2026-06-15T10:00:00Z", "2026-06-15T10:00:00.000001Z", "1m"],
    ["2026-06-15T10:00:00Z", "2026-06-15T11:00:00Z", "1m"],
    ["2026-06-15", "2026-06-16", "30m"],
    ["2026-06-08", "2026-06-15", "6h"],
    ["2026-05-16", "2026-06-15", "1d"],
    ["2025-06-15", "2026-06-15", "1w"],
    ["0001-01-01", "9999-12-31", "1yr"],
  ];
  for (const [start, end, wanted] of windows) {
    const window = span(start, end);
    assert.equal(chooseBucket(window), wanted, `${start} ${end}`);
    if (wanted === "1yr") continue;
    for (const name of bucketChoices(window)) {
      assert.ok(
        (window.end - window.start) / BUCKETS[name].span <= 1000n,
        `${start} ${end} ${name}`,
      );
    }
  }
  const year = span("2025-06-15", "2026-06-15");
  assert.equal(chooseBucket(year, "1d"), "1d");
  assert.equal(chooseBucket(year, "1m"), "1w");
});

test("a window of whole days is said in days", () => {
  assert.equal(
    saySpan(span("2026-06-01", "2026-07-01"), "UTC"),
    "Mon 1 Jun 2026 – Tue 30 Jun 2026",
  );
  assert.equal(saySpan(span("2026-06-01", "2026-06-02"), "UTC"), "Mon 1 Jun 2026");
});

test("what a link says that is none is told", () => {
  const [june, july] = ["2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"];
  type Params = Record<string, string>;
  const right: Params[] = [
    {},
    { last: "30d" },
    { last: "all" },
    { from: june, to: july, tz: "Asia/Tokyo" },
  ];
  for (const params of right) assert.deepEqual(misread(params), []);
  const wrong: Params[] = [
    { last: "bogus" },
    { from: july, to: june },
    { from: june },
    { tz: "No/Where" },
  ];
  for (const params of wrong) {
    const [said, ...more] = misread(params);
    assert.ok(said?.includes(Object.values(params)[0] ?? ""), JSON.stringify(params));
    assert.deepEqual(more, []);
  }
});
