import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, compare, duration, largest, parts, ratio, sayLength, short } from "./decimal";

test("a number is put into groups without a digit changed", () => {
  const cases: [string, string[], string][] = [
    ["0", ["0"], ""],
    ["999", ["999"], ""],
    ["1000", ["1", "000"], ""],
    ["3814461.81655", ["3", "814", "461"], "81655"],
    [
      "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
      "115 792 089 237 316 195 423 570 985 008 687 907 853 269 984 665 640 564 039 457".split(" "),
      "584007913129639935",
    ],
  ];
  for (const [text, groups, fraction] of cases) {
    assert.deepEqual(parts(text), { isNegative: false, groups, fraction });
    assert.deepEqual(parts(`-${text}`), { isNegative: true, groups, fraction });
    assert.equal(groups.join("") + (fraction ? `.${fraction}` : ""), text);
  }
});

test("what is no decimal is not taken for one", () => {
  for (const text of ["", "-", "1.", ".5", "1e9", "NaN", "1 000", "+1"]) {
    assert.equal(parts(text), undefined, text);
  }
});

test("numbers are compared beyond what a float can tell apart", () => {
  assert.equal(compare("9007199254740993", "9007199254740992"), 1);
  assert.equal(compare("0.1", "0.10"), 0);
  assert.equal(compare("-2", "1"), -1);
  assert.equal(compare("-0.000000000000000002", "-0.000000000000000001"), -1);
  assert.equal(largest(["1", "-9007199254740993", "9007199254740992"]), "9007199254740993");
});

test("a bar is never longer than its column", () => {
  assert.equal(ratio("5", "10"), 0.5);
  assert.equal(ratio("-10", "10"), 1);
  assert.equal(ratio("1", "0"), 0);
});

test("axes, sizes and times are said shortly", () => {
  const labels: [number, number, string][] = [
    [0, 500, "0"],
    [950, 50, "950"],
    [1000, 500, "1k"],
    [1500, 500, "1.5k"],
    [250_000, 50_000, "250k"],
    [1.25e6, 250_000, "1.25M"],
    [3e12, 1e12, "3T"],
    [2e29, 5e28, "2e29"],
    [1.25e29, 5e28, "1.25e29"],
    [0.0994, 0.0002, "0.0994"],
    [-20_000, 20_000, "-20k"],
  ];
  for (const [value, step, wanted] of labels) assert.equal(short(value, step), wanted);
  assert.deepEqual([1, 60, 90, 300, 86_400].map(sayLength), [
    "second",
    "minute",
    "90 seconds",
    "5 minutes",
    "day",
  ]);
  assert.deepEqual([0n, 1023n, 1536n, 5n << 30n].map(bytes), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "5.0 GiB",
  ]);
  assert.deepEqual([0.00042, 0.0042, 0.42, 4.2].map(duration), [
    "420 µs",
    "4.2 ms",
    "420 ms",
    "4.20 s",
  ]);
});
