/** Runs the tests in Node: `npm test`. */

import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";

import { build } from "esbuild";

const OUT = ".test";

await rm(OUT, { recursive: true, force: true });
const files = (await readdir("test")).filter((file) => file.endsWith(".test.ts"));
const entryPoints = files.map((file) => `test/${file}`);
await build({ entryPoints, outdir: OUT, bundle: true, format: "esm", platform: "node", sourcemap: "inline" });
const bundles = files.map((file) => `${OUT}/${file.replace(/ts$/, "js")}`);
process.exitCode =
  spawnSync(process.execPath, ["--enable-source-maps", "--test", ...bundles], { stdio: "inherit" }).status ?? 1;
