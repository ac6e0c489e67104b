import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatInstant,
  instantOfWall,
  isZone,
  parseInstant,
  sayAgo,
  sayDay,
  sayInstant,
  sayTick,
  startOfDay,
  wallOf,
} from "./instant";

const at = (text: string) => parseInstant(text) ?? assert.fail(text);

test("an instant is read and written to the microsecond", () => {
  for (const text of [
    "2026-06-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-06-01T12:30:00.5Z",
  ]) {
    assert.equal(formatInstant(at(text)), text);
  }
  assert.equal(formatInstant(at("2026-06-01")), "2026-06-01T00:00:00Z");
  for (const text of ["", "yesterday", "2026-02-31", "2026-06-01T25:00:00Z", "2026-6-1"]) {
    assert.equal(parseInstant(text), undefined, text);
  }
});

test("a clock is read in its zone, also where it is changed", () => {
  const cases: [string, string, string][] = [
    ["2026-06-01T00:00", "Europe/Berlin", "2026-05-31T22:00:00Z"],
    ["2026-01-01T00:00", "America/New_York", "2026-01-01T05:00:00Z"],
    ["2026-01-01T00:00", "Asia/Kathmandu", "2025-12-31T18:15:00Z"],
    // 02:30 comes twice: the first one. And never: as far behind the jump.
    ["2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"],
    ["2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30:00Z"],
  ];
  for (const [wall, zone, instant] of cases) {
    assert.equal(formatInstant(instantOfWall(wall, zone) ?? 0n), instant, `${wall} ${zone}`);
  }
});

test("a day begins at the zone's midnight", () => {
  const start = startOfDay(at("2026-10-25T12:00:00Z"), "Europe/Berlin");
  assert.equal(wallOf(start, "Europe/Berlin"), "2026-10-25T00:00:00");
  assert.equal(isZone("Europe/Berlin"), true);
  assert.equal(isZone("Europe/Nowhere"), false);
});

test("days and clocks are said in the zone", () => {
  const instant = at("2026-09-30T22:30:00.5Z");
  assert.equal(sayInstant(instant, "Europe/Berlin"), "1 Oct 2026, 00:30:00");
  assert.equal(sayInstant(instant, "UTC", "minute"), "30 Sep 2026, 22:30");
  assert.equal(sayDay(instant, "UTC"), "Wed 30 Sep 2026");
  const steps = [3600, 86_400, 30 * 86_400, 366 * 86_400];
  const midnight = at("2026-10-01T00:00:00Z");
  assert.deepEqual(
    steps.map((step) => sayTick(midnight, "UTC", step)),
    ["1 Oct", "1 Oct", "Oct 2026", "2026"],
  );
  assert.equal(sayTick(instant, "UTC", 3600), "22:30");
});

test("what was is said with one unit", () => {
  const now = at("2026-06-02T00:00:00Z");
  const said = [
    "2026-06-02T00:00:00Z",
    "2026-06-01T23:59:20Z",
    "2026-06-01T23:00:00Z",
    "2026-06-01T20:00:00Z",
    "2026-05-01",
  ];
  assert.deepEqual(
    said.map((text) => sayAgo(at(text), now)),
    ["just now", "40 s ago", "60 min ago", "4 h ago", "32 days ago"],
  );
});
