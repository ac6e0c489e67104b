import assert from "node:assert/strict";
import { test } from "node:test";
import { words } from "./words";

const NOTHING = { message: "", fields: [], preconditions: [] };

test("fields that are wrong are named, each with what would be right", () => {
  const fields = [
    { field: "window.end", description: "must be later than window.start" },
    { field: "metric", description: "is required" },
  ];
  assert.deepEqual(words({ ...NOTHING, code: 3, message: "2 fields are wrong", fields }), {
    title: "That cannot be asked",
    lines: ["window.end: must be later than window.start.", "metric: is required."],
    remedy: "none",
  });
});

test("an answer of what is there can be had", () => {
  const preconditions = [{ type: "COVERAGE_INCOMPLETE", subject: "x", description: "y" }];
  const said = words({
    ...NOTHING,
    code: 9,
    message: "it is complete before noon; set a field",
    preconditions,
  });
  assert.equal(said.remedy, "allow_partial");
  assert.equal(said.lines[0], "It is complete before noon.");
});

test("every status has words and a remedy", () => {
  for (let code = 0; code <= 20; code += 1) {
    const said = words({ ...NOTHING, code, message: "so it is" });
    assert.ok(said.title.length > 0);
    assert.ok(said.lines.includes("So it is."), String(code));
  }
  assert.equal(words({ ...NOTHING, code: 16 }).remedy, "login");
  assert.equal(words({ ...NOTHING, code: 14 }).remedy, "retry");
  // Of limits, those that pass are worth another try.
  assert.equal(words({ ...NOTHING, code: 8 }).remedy, "none");
  assert.equal(words({ ...NOTHING, code: 8, retrySeconds: 1 }).remedy, "retry");
});
