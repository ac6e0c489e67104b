import assert from "node:assert/strict";
import { test } from "node:test";
import { shortAsset, tokenOf } from "./asset";

test("the code of a token names its network and contract", () => {
  const contract = "0xdac17f958d2ee523a2206206994597c13d831ec7";
  assert.deepEqual(tokenOf(`ethereum:${contract}`), { network: "ethereum", contract });
  assert.deepEqual(tokenOf(`evm-137:${contract}`), { network: "evm-137", contract });
  assert.equal(shortAsset(`ethereum:${contract}`), "0xdac1…1ec7");
  for (const code of ["USD", "ethereum", `bitcoin:${contract}`, "ethereum:0x1", ""]) {
    assert.equal(tokenOf(code), undefined, code);
    assert.equal(shortAsset(code), code);
  }
});
