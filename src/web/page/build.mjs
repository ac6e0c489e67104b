// Bundles the page into a folder: `node build.mjs dist`. The same sources and the same lock file
// give the same bytes. `node build.mjs --tests FOLDER` bundles the tests of src/core instead, for
// node's own test runner. Code from the contracts must be generated before: scripts/page does both.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Licences of what is bundled, as their texts ask for. */
function licences() {
  const read = (path) => readFileSync(join(here, path), "utf8").trim();
  const { dependencies } = JSON.parse(read("package.json"));
  const named = Object.entries(dependencies).map(([name, version]) => {
    const { license } = JSON.parse(read(`node_modules/${name}/package.json`));
    return `${name} ${version} (${license})`;
  });
  // Only uPlot brings a file. Of the others the texts stand here, and in one of their sources.
  const varint = read("node_modules/@bufbuild/protobuf/dist/esm/wire/varint.js");
  const google = varint
    .match(/^(\/\/.*\n)+/)?.[0]
    .replace(/^\/\/ ?/gm, "")
    .trim();
  if (!google) throw new Error("the licence in @bufbuild/protobuf is not where it was");
  const texts = [read("node_modules/uplot/LICENSE"), google, read("../../../LICENSE-APACHE")];
  const line = `\n\n${"-".repeat(80)}\n\n`;
  return `${[`In this bundle:\n\n${named.join("\n")}`, ...texts].join(line)}\n`;
}

async function bundlePage(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "assets"), { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.ts" },
    outdir: join(folder, "assets"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  cpSync(join(here, "src/index.html"), join(folder, "index.html"));
  cpSync(join(here, "src/icon.svg"), join(folder, "assets/icon.svg"));
  writeFileSync(join(folder, "assets/licences.txt"), licences());
}

async function bundleTests(folder) {
  const core = join(here, "src/core");
  const entryPoints = readdirSync(core)
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => join(core, file));
  await build({
    absWorkingDir: here,
    entryPoints,
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
}

const [first, second] = process.argv.slice(2);
if (first === "--tests" && second) await bundleTests(second);
else if (first && !second) await bundlePage(first);
else throw new Error("usage: node build.mjs FOLDER, or node build.mjs --tests FOLDER");
