/**
 * `npm test`: the fast tests, the stories on the embedded network, then the live suite on a private
 * network of real i2pd routers. Its last line is `N passed, N failed, N skipped`.
 *
 * Plain Node. `--only fast|scenario|live` runs one of them; every other word goes to vitest, such as a
 * file's name or `-t "a test's name"`. With `ALLIUM_LIVE=require` a live suite that cannot run has failed.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { provideTools, toolPath } from "./tools.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
const VITEST = join(root, "node_modules/vitest/vitest.mjs")
const TESTNET = ["--conditions=source", "--import", "tsx", "test/support/testnet/main.ts"]
/** Live tests by the private network they share, so that all take about as long; the rest has one of its own. */
const SHARED_NETWORKS = [
  ["mail"],
  ["files"],
  ["two-routers", "irc", "udp"],
  ["shares", "encrypted", "socks"],
  ["http-proxy", "tcp", "sites", "full-disk"],
].map((names) => names.map((name) => `test/live/${name}.test.ts`))
const SUITES = { fast: runPlain, scenario: runPlain, live: runLive }

process.exitCode = await main(process.argv.slice(2))

async function main(words) {
  const { only, rest } = readWords(words)
  if (only !== undefined && !(only in SUITES)) {
    console.error(`Cannot run tests: --only is ${only}, expected ${Object.keys(SUITES).join(", ")}`)
    return 2
  }
  // Stories, on the embedded network too, use foreign programs and start the built one.
  const problem = only === "fast" ? undefined : provideTools()
  if (only !== "fast" && (await run("npm", ["run", "--silent", "build"], {})) !== 0) return 1
  const folder = mkdtempSync(join(tmpdir(), "allium-test-"))
  const tallies = []
  try {
    for (const suite of only === undefined ? Object.keys(SUITES) : [only])
      tallies.push({ suite, ...(await SUITES[suite](suite, rest, folder, problem)) })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return summarise(tallies)
}

function readWords(words) {
  const rest = [...words]
  const at = rest.indexOf("--only")
  const only = at < 0 ? undefined : rest.splice(at, 2)[1] || "missing"
  return { only, rest }
}

/** Prints each suite, what failed, and the sum. */
function summarise(tallies) {
  console.log("")
  for (const { suite, passed, failed, skipped } of tallies)
    console.log(`${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  const { passed, failed, skipped, packets, queries, notes } = addUp(tallies)
  for (const note of notes) console.log(`  ${note}`)
  if (packets !== undefined) console.log(leaksOf({ packets, queries }))
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed === 0 ? 0 : 1
}

async function runPlain(suite, words, folder) {
  const report = join(folder, `${suite}.json`)
  const env = { FUZZ: process.env.FUZZ ?? "3" }
  const code = await run(process.execPath, vitest(suite, words, report), env)
  return tallyOf(suite, report, code)
}

/** On several private networks side by side: stories wait more than they work. */
async function runLive(suite, words, folder, toolsProblem) {
  const problem = toolsProblem ?? (await whyNoNamespace())
  if (problem !== undefined) return skippedLive(problem)
  const others = SHARED_NETWORKS.flat().flatMap((file) => ["--exclude", file])
  const networks = words.length > 0 ? [words] : [...SHARED_NETWORKS, others]
  return addUp(
    await Promise.all(
      networks.map((chosen, n) => runOnNetwork(suite, chosen, join(folder, `live${n}`))),
    ),
  )
}

/** One file at a time: a test may end a router under everybody's feet. */
async function runOnNetwork(suite, words, prefix) {
  const [report, packets] = [`${prefix}.json`, `${prefix}-packets.json`]
  const command = [process.execPath, ...vitest(suite, words, report), "--no-file-parallelism"]
  const env = { ALLIUM_TESTNET_REPORT: packets }
  const code = await run(process.execPath, [...TESTNET, ...command], env)
  return withPackets(tallyOf(suite, report, code), packets)
}

function addUp(tallies) {
  const sum = (key) => tallies.reduce((total, tally) => total + (tally[key] ?? 0), 0)
  const notes = tallies.flatMap((tally) => tally.notes)
  const left = tallies.some(({ packets }) => packets !== undefined)
    ? { packets: sum("packets"), queries: sum("queries") }
    : {}
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped"), ...left, notes }
}

/** The shortest testnet, without routers, tells whether this user may make namespaces. */
async function whyNoNamespace() {
  const code = await run(process.execPath, [...TESTNET, "--routers", "0", "true"], {}, "ignore")
  return code === 0
    ? undefined
    : "network namespaces are not allowed here: run as root, or allow user namespaces"
}

function skippedLive(problem) {
  const note = `live suite not run: ${problem}`
  console.log(`\n${note}`)
  const required = process.env.ALLIUM_LIVE === "require"
  const files = liveFiles().length
  return { passed: 0, failed: required ? 1 : 0, skipped: files, notes: [note] }
}

function liveFiles() {
  const below = (folder) => readdirSync(join(root, folder), { recursive: true })
  return [
    ...below("test/live").filter((file) => file.endsWith(".test.ts")),
    ...below("test/contract").filter((file) => file.endsWith(".live.test.ts")),
  ]
}

/** Not one packet may have wanted to leave, no name been asked for, and there must be a report that says so. */
function withPackets(tally, path) {
  const found = readJson(path)
  const crashes = (found?.crashes ?? []).map((crash) => `i2pd: ${crash}`)
  const notes = [...tally.notes, ...crashes]
  const left = { packets: found?.packetCount ?? 0, queries: found?.dnsQueryCount ?? 0 }
  if (found?.packetCount === 0 && found.dnsQueryCount === 0) return { ...tally, ...left, notes }
  const places = (found?.destinations ?? []).map(
    ({ packetCount, to, from }) => `${packetCount} packets for ${to} from ${from}`,
  )
  const what = found === undefined ? "no packet report was written" : leaksOf(left)
  return {
    ...tally,
    ...left,
    failed: tally.failed + 1,
    notes: [...notes, `FAIL live: ${what}`, ...places],
  }
}

function leaksOf({ packets, queries }) {
  return `${packets} packets would have left, ${queries} DNS queries`
}

function vitest(suite, words, report) {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
  const chosen = words.length === 0 ? [] : ["--passWithNoTests", ...words]
  return [VITEST, "run", "--project", suite, ...reporters, ...chosen]
}

/** Counts from vitest's JSON report; a run that broke off, or a file that did not load, has failed. */
function tallyOf(suite, path, code) {
  const report = readJson(path)
  if (report === undefined) {
    const notes = [`FAIL ${suite}: the run broke off with exit code ${code}`]
    return { passed: 0, failed: 1, skipped: 0, notes }
  }
  const notes = report.testResults.flatMap(failuresOf).map((name) => `FAIL ${suite}: ${name}`)
  if (code !== 0 && notes.length === 0)
    notes.push(`FAIL ${suite}: vitest ended with exit code ${code}`)
  const skipped = report.numPendingTests + report.numTodoTests
  return { passed: report.numPassedTests, failed: notes.length, skipped, notes }
}

function failuresOf({ name, status, assertionResults }) {
  const file = name.replace(root, "")
  const failed = assertionResults.filter((test) => test.status === "failed")
  if (status === "failed" && failed.length === 0)
    return [`${file} (did not load, or a hook failed)`]
  return failed.map((test) => `${file} > ${test.fullName}`)
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

/** @returns {Promise<number>} The exit code; signals sent to us go to the child, which ends us. */
function run(program, words, env, stdio = "inherit") {
  const child = spawn(program, words, {
    cwd: root,
    stdio,
    env: { ...process.env, PATH: toolPath, ALLIUM_BUILT: "1", ...env },
  })
  const forward = (signal) => void child.kill(signal)
  const wait = () => {}
  process.on("SIGTERM", forward).on("SIGINT", wait)
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`Cannot run ${program}: ${error.message}`)
      resolve(1)
    })
    child.on("exit", (code) => {
      process.off("SIGTERM", forward).off("SIGINT", wait)
      resolve(code ?? 1)
    })
  })
}
