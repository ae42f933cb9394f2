/**
 * What the plugin `sites` is given, on a network in memory; the store survives a "restart".
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { z } from "zod"
import { systemClock } from "../../src/base/clock.ts"
import { silentLog } from "../../src/base/log.ts"
import { Scope } from "../../src/base/scope.ts"
import type { Offer, OfferRun } from "../../src/router/offer.ts"
import type { Plugin, PluginContext } from "../../src/router/plugin.ts"
import type { Destination } from "../../src/sam/destination.ts"
import type { Change, StoreRoom } from "../../src/store/store.ts"
import type { FakeNetwork } from "./fake-session.ts"

/** What outlives a run: stored values, and keys by the name of their session. */
export interface FakeDisk {
  readonly values: Map<string, unknown>
  readonly keys: Map<string, Destination>
}

export const emptyDisk = (): FakeDisk => ({ values: new Map(), keys: new Map() })

/** A plugin that runs. */
export interface FakeRun extends AsyncDisposable {
  /** Runs an offer after its shape was checked, as the API does. */
  run<O extends Offer>(offer: O, input: z.input<O["input"]>): Promise<z.output<O["output"]>>
  readonly folder: string
}

/** Starts a plugin that needs a store and sessions, and nothing else. */
export async function startFakePlugin(
  plugin: Plugin,
  network: FakeNetwork,
  disk: FakeDisk,
  more: Partial<PluginContext> = {},
): Promise<FakeRun> {
  const scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-plugin-"))
  scope.defer(() => rm(folder, { recursive: true }))
  const answers = new Map<Offer, OfferRun<Offer>>()
  const needless = () => {
    throw new Error("Cannot use this: the plugin was not expected to")
  }
  const context: PluginContext = {
    ...({ identities: { list: () => [], find: needless } } satisfies Partial<PluginContext>),
    contacts: { list: () => [], find: needless },
    signal: scope.signal,
    log: silentLog,
    clock: systemClock,
    store: roomOn(disk, ""),
    folder,
    answer: (offer, run) => void answers.set(offer, run as OfferRun<Offer>),
    emit: () => {},
    serve: needless,
    open: needless,
    onReachable: needless,
    onContact: needless,
    mail: { send: needless, flash: needless, receive: needless, onReport: needless },
    blobs: { towers: () => [], put: needless, get: needless },
    backup: needless,
    ask: needless,
    async session({ name }) {
      const destination = disk.keys.get(name)
      const session = scope.use(network.open(destination))
      disk.keys.set(name, session.destination)
      await session.ready({ signal: scope.signal })
      return session
    },
    listen: () => Promise.reject(new Error("A site listens to streams")),
    async forgetSession(name) {
      disk.keys.delete(name)
    },
    ...more,
  }
  const started = await plugin.start(context)
  if (started !== undefined) scope.use(started)
  return {
    folder,
    async run(offer, input) {
      const run = answers.get(offer)!
      const call = { signal: scope.signal, progress: () => {} }
      return offer.output.parse(await run(offer.input.parse(input), call)) as never
    },
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

interface FakeChange extends Change {
  readonly key: string
  readonly value?: unknown
}

/** Tables only. */
function roomOn(disk: FakeDisk, path: string): StoreRoom {
  return {
    room: (name) => roomOn(disk, `${path}${name}/`),
    table(name, shape) {
      const place = `${path}${name}:`
      return {
        get: async (key) => {
          const value = disk.values.get(place + key)
          return value === undefined ? undefined : shape.parse(value)
        },
        async *entries() {
          for (const [key, value] of disk.values)
            if (key.startsWith(place)) yield [key.slice(place.length), shape.parse(value)]
        },
        put: (key, value): FakeChange => ({ kind: "put", key: place + key, value }),
        remove: (key): FakeChange => ({ kind: "remove", key: place + key }),
      }
    },
    journal() {
      throw new Error("Cannot use this: the plugin was not expected to")
    },
    async commit(changes) {
      for (const { kind, key, value } of changes as readonly FakeChange[])
        if (kind === "put") disk.values.set(key, structuredClone(value))
        else disk.values.delete(key)
    },
  }
}
