/** Builds the whole site into dist/: `npm run build`. */

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";

import { build } from "esbuild";

const OUT = "dist";
// By what the browser can do: with relaxed SIMD, with threads as well, and for older ones.
const WASM = ["internal", "threaded_internal", "compat_internal"];

await rm(OUT, { recursive: true, force: true });
await mkdir(`${OUT}/wasm`, { recursive: true });
const shared = { bundle: true, minify: true, target: ["chrome111", "firefox128", "safari17"], legalComments: "none" };
await build({ ...shared, entryPoints: ["src/main.ts"], outdir: OUT, format: "esm" });
// LiteRT loads its wasm by importScripts, which only classic workers have.
await build({ ...shared, entryPoints: { worker: "src/client/worker.ts" }, outdir: OUT, format: "iife" });
for (const file of ["index.html", "styles.css", "icon.svg"]) await cp(`src/${file}`, `${OUT}/${file}`);
for (const part of WASM) {
  for (const ending of ["js", "wasm"]) {
    const file = `litert_wasm_${part}.${ending}`;
    await cp(`node_modules/@litertjs/core/wasm/${file}`, `${OUT}/wasm/${file}`);
  }
}

/** What is bundled, and under which licence. */
const parts = ["@litertjs/core", "@litertjs/wasm-utils", "mediabunny"].map(async (name) => {
  const folder = `node_modules/${name}`;
  const { version, license, repository } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  const text = await readFile(`${folder}/LICENSE`, "utf8").catch(() => "");
  return [`${name} ${version}, ${license}, ${repository?.url ?? ""}`, text].join("\n\n");
});
await writeFile(`${OUT}/licences.txt`, (await Promise.all(parts)).join("\n\n"));
