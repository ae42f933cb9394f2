/**
 * The messages plugin with 1,000 contacts and 100,000 messages on a real disk: how soon it stands, what it holds in
 * memory, and how long people wait for a list or a search.
 *
 * A process of its own starts on what this one wrote, so that its memory is its own.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Conversation } from "../plugins/messages/conversation.ts"
import { headShape } from "../plugins/messages/entry.ts"
import { messages } from "../plugins/messages/index.ts"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import type { OfferCall } from "../src/router/offer.ts"
import type { PluginContext } from "../src/router/plugin.ts"
import { openStore } from "../src/store/open-store.ts"
import type { Store, StoreRoom } from "../src/store/store.ts"
import { type Bench, type Figure, figure } from "./figure.ts"

const CONTACTS = 1_000
const EACH = 100
const ROUNDS = 3
const CALL: OfferCall = { signal: new AbortController().signal, progress() {} }

export const bench: Bench = {
  title: `messages: ${CONTACTS} contacts, ${CONTACTS * EACH} messages`,
  run: measureMessages,
}

async function measureMessages(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  await using scope = new Scope()
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const store = await open(folder)
  await fillConversations(
    store,
    "me",
    Array.from({ length: CONTACTS }, (_, at) => keyOf(at)),
  )
  await store[Symbol.asyncDispose]()
  const rounds: Record<string, number>[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await startInChild(folder))
  const of = (name: string) => rounds.map((round) => round[name] ?? Number.NaN)
  return [
    figure("store and plugin stand after", of("startMs"), "ms", { most: 1_500 }),
    figure("memory they take beyond an empty process", of("startMiB"), "MiB", { most: 60 }),
    figure("list of 1,000 conversations", of("conversationsMs"), "ms", { most: 1_500 }),
    figure("newest 50 of all", of("listMs"), "ms", { most: 500 }),
    figure("search through all, nothing found", of("searchMs"), "ms", { most: 10_000 }),
    figure("memory at the end, beyond an empty process", of("endMiB"), "MiB", { most: 100 }),
  ]
}

function open(folder: string): Promise<Store> {
  const key = new Uint8Array(32).fill(7)
  return openStore({ folder, key, clock: systemClock, log: silentLog })
}

const keyOf = (number: number): string => `contact-${number}`.padEnd(43, "x")

/** Writes 100 messages from each of these contacts, as the plugin keeps them. */
export async function fillConversations(
  store: StoreRoom,
  identity: string,
  contacts: readonly string[],
): Promise<void> {
  const listener = { noted() {}, expires() {} }
  for (const [number, contact] of contacts.entries()) {
    const name = `contact ${number}`
    const head = headShape.parse({ identity, contact, name })
    await new Conversation(store, head, listener).change(async (pen) => {
      for (let count = 0; count < EACH; count++) {
        const storedAt = count * 1_000_000 + number
        const text = `message ${count} with ${name}: ${"words and more words ".repeat(4)}é`
        const id = new Uint8Array(systemRandom(16))
        pen.add({ id, state: "received", text, sentAt: 0, storedAt })
        pen.head.unread++
      }
    })
  }
}

async function startInChild(folder: string): Promise<Record<string, number>> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, "--expose-gc", fileURLToPath(import.meta.url), folder],
    { stdio: ["ignore", "pipe", "inherit"] },
  )
  let written = ""
  child.stdout.on("data", (chunk: Buffer) => {
    written += chunk.toString()
  })
  await once(child, "close")
  return JSON.parse(written)
}

/** In a process of its own. */
async function measureStart(folder: string): Promise<Record<string, number>> {
  const before = rssMiB()
  const begun = performance.now()
  const store = await open(folder)
  const runners = new Map<string, (input: never, call: OfferCall) => unknown>()
  await messages.start(contextOn(store, runners))
  const startMs = performance.now() - begun
  const startMiB = rssMiB() - before
  const time = async (verb: string, input: Record<string, unknown>) => {
    const at = performance.now()
    const run = runners.get(`message ${verb}`)
    await run?.(input as never, CALL)
    return performance.now() - at
  }
  const conversationsMs = await time("conversations", { unread: false })
  const listMs = await time("list", { limit: 50 })
  const searchMs = await time("search", { text: "nowhere", limit: 50 })
  const endMiB = rssMiB() - before
  await store[Symbol.asyncDispose]()
  return { startMs, startMiB, conversationsMs, listMs, searchMs, endMiB }
}

function rssMiB(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss() / 1_048_576
}

/** As much of a router as the plugin needs to stand. */
function contextOn(store: Store, runners: Map<string, unknown>): PluginContext {
  const identity = { key: "me", name: "me" }
  const contacts = Array.from({ length: CONTACTS }, (_, number) => ({
    ...{ key: keyOf(number), name: `contact ${number}`, state: "accepted" },
  }))
  return {
    ...{ signal: CALL.signal, log: silentLog, clock: systemClock, store },
    identities: { list: () => [identity], find: () => identity },
    contacts: { list: () => contacts },
    answer: (offer: { verb: string }, run: unknown) => void runners.set(offer.verb, run),
    mail: { receive() {}, onReport() {} },
    ...{ emit() {}, backup() {} },
  } as unknown as PluginContext
}

const [, script, folder] = process.argv
if (script === fileURLToPath(import.meta.url) && folder !== undefined) {
  const measured = await measureStart(folder)
  process.stdout.write(JSON.stringify(measured), () => process.exit(0))
}
