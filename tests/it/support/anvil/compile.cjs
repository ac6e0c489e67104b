// Compiles Tokens.sol and prints, by contract, its code and the selectors of its functions.
// The folder of packages is the one argument.
const fs = require("node:fs");
const path = require("node:path");

const packages = process.argv[2];
const solc = require(path.join(packages, "solc"));
const input = {
  language: "Solidity",
  sources: { "Tokens.sol": { content: fs.readFileSync(path.join(__dirname, "Tokens.sol"), "utf8") } },
  settings: {
    optimizer: { enabled: true },
    outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.methodIdentifiers"] } },
  },
};
const load = (name) => ({ contents: fs.readFileSync(path.join(packages, name), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
const errors = (output.errors ?? []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const contracts = Object.entries(output.contracts["Tokens.sol"]).map(([name, { evm }]) => [
  name,
  { code: evm.bytecode.object, methods: evm.methodIdentifiers },
]);
console.log(JSON.stringify(Object.fromEntries(contracts)));
