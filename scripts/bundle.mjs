/**
 * First step of the build: puts the modules of the program and of its doors into few files, with source maps.
 *
 * All entries share one graph, so whatever two of them use exists once: an error or a shape is the same to the program as to a
 * plugin that came in through a door. Nothing is shortened or renamed.
 *
 * @see docs/decisions/0024-few-files.md
 * @module
 */
import { copyFileSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

/** What `package.json` names: the program and the doors; and the last step of the build. */
const ENTRIES = ["main", "index", "plugin", "tunnel", "sam/index", "write-offers"]
/** They load native code, or files of their own, by their place. */
const LEFT_ALONE = ["level", "classic-level", "msgpackr", "yargs"]

process.chdir(fileURLToPath(new URL("..", import.meta.url)))
rmSync("dist", { recursive: true, force: true })

await build({
  entryPoints: ENTRIES.map((entry) => `src/${entry}.ts`),
  outbase: "src",
  // Every chunk lies here, where `import.meta.dirname` leads as far up as in the source.
  outdir: "dist/src",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  conditions: ["source"],
  external: LEFT_ALONE,
  sourcemap: true,
  sourcesContent: false,
  legalComments: "eof",
  logLevel: "warning",
})

// A thread begins with a file of its own, which stands beside who starts it.
copyFileSync("plugins/files/disk/hash-worker.mjs", "dist/src/hash-worker.mjs")
