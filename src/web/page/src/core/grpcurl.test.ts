import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { grpcurlLine, shellQuote } from "./grpcurl";

test("a shell reads back what was quoted", () => {
  for (const text of ["", "plain", "it's", "'", '$HOME `id` \\ "x"', "a\nb", "ü !$(x)", "-n"]) {
    const read = execFileSync("sh", ["-c", `printf %s ${shellQuote(text)}`], { encoding: "utf8" });
    assert.equal(read, text);
  }
});

test("a line asks the same in a terminal", () => {
  const call = {
    service: "daybook.v1.LedgerService",
    method: "GetUser",
    request: { username: "o'neil" },
  };
  assert.equal(
    grpcurlLine(call, { protocol: "http:", host: "127.0.0.1:50051", hasToken: false }),
    `grpcurl -plaintext -d '{"username": "o'\\''neil"}' 127.0.0.1:50051 daybook.v1.LedgerService/GetUser`,
  );
  assert.equal(
    grpcurlLine(
      { ...call, request: {} },
      { protocol: "https:", host: "daybook.example", hasToken: true },
    ),
    'grpcurl -H "authorization: Bearer $DAYBOOK_TOKEN" daybook.example:443 daybook.v1.LedgerService/GetUser',
  );
  assert.match(
    grpcurlLine(call, { protocol: "http:", host: "[::1]:50051", hasToken: false }),
    / '\[::1\]:50051' /,
  );
});
