/**
 * `npm run bench [NAME…]`: measures, and prints ratios against something in the same run.
 *
 * The machine may be busy, so each figure is the median of several runs and every comparison is made in
 * alternation. Benches on real i2pd need its network: `npm run testnet -- npm run bench sam-stream`.
 *
 * @module
 */
import { type Bench, type Figure, holds } from "./figure.ts"

const benches: Record<string, () => Promise<{ bench: Bench }>> = {
  "sam-stream": () => import("./sam-stream.ts"),
  "embedded-stream": () => import("./embedded-stream.ts"),
  http: () => import("./http.ts"),
  "http-cpu": () => import("./http-cpu.ts"),
  "link-http2": () => import("./link-http2.ts"),
  router: () => import("./router.ts"),
  envelopes: () => import("./envelopes.ts"),
  tower: () => import("./tower.ts"),
  messages: () => import("./messages.ts"),
  letters: () => import("./letters.ts"),
  files: () => import("./files.ts"),
  "files-memory": () => import("./files-memory.ts"),
  posts: () => import("./posts.ts"),
  swarm: () => import("./swarm.ts"),
  "hash-folder": () => import("./hash-folder.ts"),
  "cold-start": () => import("./cold-start.ts"),
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}`)
  process.exit(2)
}

let missed = 0
for (const [name, load] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const { bench } = await load()
  const reason = bench.unavailable?.()
  console.log(`\n${name}: ${bench.title}`)
  if (reason !== undefined) console.log(`  skipped: ${reason}`)
  else for (const figure of await bench.run()) missed += print(figure)
}
process.exitCode = missed === 0 ? 0 : 1

/** @returns 1 when a goal was missed. */
function print(figure: Figure): number {
  const { what, value, unit, spread } = figure
  const range = spread === undefined ? "" : `${write(spread[0])} … ${write(spread[1])}`
  const columns = [what.padEnd(46), write(value).padStart(9), unit.padEnd(6), range.padEnd(20)]
  console.log(`  ${columns.join(" ")} ${verdict(figure)}`.trimEnd())
  return holds(figure) ? 0 : 1
}

function write(value: number): string {
  return value.toFixed(Math.abs(value) < 20 ? 2 : 0)
}

function verdict(figure: Figure): string {
  if (figure.goal === undefined) return ""
  const { least, most } = figure.goal
  const bound = least === undefined ? `at most ${most}` : `at least ${least}`
  return holds(figure) ? `goal met: ${bound}` : `GOAL MISSED: ${bound}`
}
