/**
 * `allium run` on the home of somebody with 1,000 contacts and 100,000 messages: how soon it is ready, and what it keeps in
 * memory. The contacts are accepted and away: the router dials them, as it would. The network is hosted by another process, as
 * an I2P router is one.
 *
 * @module
 */
import { generateKeyPairSync } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { messages } from "../plugins/messages/index.ts"
import { encodeBase32 } from "../src/base/base32.ts"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import { openEmbeddedBridge } from "../src/bridge/index.ts"
import { openHome } from "../src/router/home.ts"
import { createRouter } from "../src/router/router.ts"
import { openStore } from "../src/store/open-store.ts"
import { openVault } from "../src/store/unlock.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"
import { fillConversations } from "./messages.ts"
import { BUILT, freePort, Program, processorMs, requireBuilt, residentMebibytes } from "./router.ts"

const CONTACTS = 1_000
const ROUNDS = 3
/** A router rests so long before its memory is read. */
const REST_MS = 10_000

export const bench: Bench = {
  title: `allium run with ${CONTACTS} contacts and ${CONTACTS * 100} messages`,
  async run() {
    await requireBuilt()
    return measureColdStart()
  },
}

async function measureColdStart(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  await using scope = new Scope()
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  await prepare(join(folder, "full"), CONTACTS)
  await prepare(join(folder, "empty"), 0)
  const start = (name: string, restMs = REST_MS) => {
    const program = new Program([BUILT], join(folder, name))
    return () => startOnce(program, restMs)
  }
  await start("full", 3 * REST_MS)() // the first one of all writes a keepsake for each contact; not measured
  const { full, empty } = await alternate(ROUNDS, { full: start("full"), empty: start("empty") })
  const times = (runs: readonly Started[]) => runs.map(({ readyMs }) => readyMs)
  const costs = (runs: readonly Started[]) => runs.map(({ cpuMs }) => cpuMs)
  const sizes = (runs: readonly Started[]) => runs.map(({ restingMiB }) => restingMiB)
  return [
    figure("ready, without contacts", times(empty), "ms"),
    figure("ready", times(full), "ms", { most: 1_500 }),
    figure("ready, in times of without contacts", ratios(times(full), times(empty)), ""),
    figure("processor time until then, without contacts", costs(empty), "ms"),
    figure("processor time until then", costs(full), "ms"),
    figure(
      "resident memory when it is ready",
      full.map(({ readyMiB }) => readyMiB),
      "MiB",
      { most: 150 },
    ),
    figure("resident memory after 10 s, without contacts", sizes(empty), "MiB"),
    figure("resident memory after 10 s", sizes(full), "MiB", { most: 150 }),
  ]
}

interface Started {
  readonly readyMs: number
  /** Of all cores, until it was ready. */
  readonly cpuMs: number
  readonly readyMiB: number
  readonly restingMiB: number
}

async function startOnce(program: Program, restMs: number): Promise<Started> {
  await using bridge = await openEmbeddedBridge()
  const { port } = bridge.address
  const startMs = performance.now()
  await using running = await program.start(port)
  const readyMs = performance.now() - startMs
  const cpuMs = await processorMs(running.processId)
  const readyMiB = await residentMebibytes(running.processId)
  await sleep(restMs)
  return { readyMs, cpuMs, readyMiB, restingMiB: await residentMebibytes(running.processId) }
}

/** A home with an identity, contacts and what they wrote. */
export async function prepare(home: string, contactCount: number): Promise<void> {
  const { identity, contacts } = await meet(home, contactCount)
  const { folder, store: path } = await openHome(home)
  const { masterKey } = await openVault(folder, { random: systemRandom })
  const options = { folder: path, key: masterKey, clock: systemClock, log: silentLog }
  await using store = await openStore(options)
  await fillConversations(store.room("plugin/messages"), identity, contacts)
}

/** @returns Keys of the identity and its contacts. */
async function meet(home: string, contactCount: number) {
  const sam = { host: "127.0.0.1", port: await freePort() }
  const network = { choice: "embedded", sam } as const
  await using router = await createRouter({ home, network, plugins: [messages], tunnels: [] })
  const call = { signal: new AbortController().signal, progress() {} }
  await router.offers.run("identity create", { name: "me" }, call)
  const [identity] = router.identities.list()
  const book = router.identities.contacts(identity!)
  const contacts: string[] = []
  for (let number = 0; number < contactCount; number++) {
    const contact = { ...stranger(), name: `contact ${number}`, greeting: "" }
    await book.request(contact)
    await book.receiveAccept(contact)
    contacts.push(contact.key)
  }
  return { identity: identity!.key, contacts }
}

/** An identity key, and an address where nobody is. */
function stranger(): { key: string; address: string } {
  const { x } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" })
  return { key: x!, address: `${encodeBase32(systemRandom(32))}.b32.i2p` }
}
