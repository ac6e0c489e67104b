import assert from "node:assert/strict";
import { test } from "node:test";
import { CHOICES, understand } from "./link";
import { VIEWS, parsePlace } from "./url";

const read = (hash: string) => understand(parsePlace(hash));

test("what a view understands is kept, and nothing is said", () => {
  for (const hash of [
    "",
    "#/",
    "#/overview?last=7d&by=1h&show=count&tz=UTC&asset=USD",
    "#/user?user=x&side=sender&only=sent&by=1mo&page=y&asof=2026-06-01T00:00:00Z&partial=1",
    "#/rank?metric=stddevp&side=receiver&order=bottom&idle=1&of=bank&me=x",
    "#/tokens?network=n&contract=c&holders=h&transfers=t&from=a&to=b",
    "#/prices?symbol=btcusd&metric=mean&order=top&page=z",
    "#/health?last=all",
  ]) {
    const { params } = parsePlace(hash);
    assert.deepEqual(read(hash), { params, unread: [] }, hash);
  }
  for (const view of VIEWS) {
    for (const [name, words] of Object.entries(CHOICES[view])) {
      for (const word of words as readonly string[]) {
        assert.deepEqual(read(`#/${view}?${name}=${word}`).unread, [], `${view} ${name} ${word}`);
      }
    }
  }
});

test("what it does not is left out, and said", () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ["#/nowhere?last=7d", { last: "7d" }, /view, “nowhere”, is none: this is the overview\.$/],
    ["#/rank?metric=kount&me=x", { me: "x" }, /metric, “kount”, is none of sum, count, avg/],
    ["#/rank?metric=change", {}, /metric, “change”, is none of/],
    ["#/prices?metric=sum&symbol=a", { symbol: "a" }, /metric, “sum”, is none of change/],
    ["#/rank?order=up", {}, /order, “up”, is none of top, bottom: it is left out\.$/],
    ["#/overview?by=3h", {}, /by, “3h”, is none of 1m, 5m/],
    ["#/rank?by=1h", {}, /says “by”, which this view does not know: it is left out\.$/],
    ["#/rank?metrik=count", {}, /says “metrik”/],
    ["#/rank?toString=1", {}, /says “toString”/],
    ["#/user?only=lost", {}, /only, “lost”, is none of sent, received/],
    ["#/user?asof=today", {}, /asof, “today”, is no instant/],
    ["#/user?partial=yes", {}, /partial, “yes”, is none of 1/],
  ];
  for (const [hash, params, words] of cases) {
    const found = read(hash);
    assert.deepEqual(found.params, params, hash);
    assert.equal(found.unread.length, 1, hash);
    assert.match(found.unread[0] ?? "", words);
  }
  assert.equal(read("#/nowhere?show=x&y=z").unread.length, 3);
});
