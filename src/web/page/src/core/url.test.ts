import assert from "node:assert/strict";
import { test } from "node:test";
import { carried, changed, formatPlace, parsePlace } from "./url";

test("a place survives its hash, whatever is in it", () => {
  const place = { view: "user" as const, params: { user: "a b&c=d#e?f/ü", page: "x+y==" } };
  assert.deepEqual(parsePlace(formatPlace(place)), place);
});

test("any hash is a place", () => {
  for (const hash of ["", "#", "#/", "#nowhere", "#/nowhere?x=1"]) {
    assert.equal(parsePlace(hash).view, "overview", hash);
  }
  assert.equal(parsePlace("#/nowhere?x=1").unknown, "nowhere");
  assert.equal(parsePlace("#/").unknown, undefined);
  assert.deepEqual(parsePlace("#/rank?metric=count&last=7d"), {
    view: "rank",
    params: { metric: "count", last: "7d" },
  });
});

test("the same place has one hash", () => {
  assert.equal(
    formatPlace({ view: "rank", params: { z: "1", a: "2", empty: "" } }),
    "#/rank?a=2&z=1",
  );
  assert.deepEqual(changed({ a: "1", b: "2" }, { b: undefined, c: "3" }), { a: "1", c: "3" });
  assert.deepEqual(carried({ last: "7d", tz: "UTC", metric: "count" }), { last: "7d", tz: "UTC" });
});
