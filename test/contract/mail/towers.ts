/** A tower for one test, whatever it stands on and however it is reached. */
import { createHash, randomBytes } from "node:crypto"
import { setMaxListeners } from "node:events"
import type { Clock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { openMailboxClient } from "../../../src/mail/mailbox/client.ts"
import type { Mailbox, NewQueue, QueueKind } from "../../../src/mail/mailbox/mailbox.ts"
import { serveMailbox } from "../../../src/mail/mailbox/server.ts"
import { blindTokens, unblindTokens } from "../../../src/mail/mailbox/tokens.ts"
import { openTowerEngine, type TowerEngine } from "../../../src/mail/mailbox/tower/engine.ts"
import type { TowerLimits } from "../../../src/mail/mailbox/tower/limits.ts"
import { MAILBOX_PROTOCOL } from "../../../src/mail/mailbox/wire.ts"
import { openStore } from "../../../src/store/open-store.ts"
import type { StoreRoom } from "../../../src/store/store.ts"
import { type FakeChannel, joinChannels } from "../../support/fake-channel.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import { makeFolder } from "../../unit/store/store-folder.ts"

/** For calls that are not given up. */
export const CALL = { signal: new AbortController().signal }
setMaxListeners(0, CALL.signal)

/** A tower under test. */
export interface Tower extends AsyncDisposable {
  readonly world: FakeWorld
  /** As its users see it. */
  readonly mailbox: Mailbox
  readonly engine: TowerEngine
  /** Ends the process and begins another one on the same disk. */
  restart(): Promise<void>
}

export interface Way {
  readonly disk: "memory" | "real"
  readonly reach: "direct" | "channel"
}

export const WAYS: readonly Way[] = [
  { disk: "memory", reach: "direct" },
  { disk: "memory", reach: "channel" },
  { disk: "real", reach: "channel" },
]

/** No work at its doors unless asked for. */
export async function openTower(way: Way, limits: Partial<TowerLimits> = {}): Promise<Tower> {
  const world = new FakeWorld()
  const disk = way.disk === "memory" ? openMemoryDisk(world) : await openRealDisk()
  const wanted = { workBitsMin: 0, workBitsMax: 2, ...limits }
  let life = await begin(way, await disk.open(), world, wanted)
  return {
    world,
    get mailbox() {
      return life.mailbox
    },
    get engine() {
      return life.engine
    },
    async restart() {
      await life.end()
      life = await begin(way, await disk.open(), world, wanted)
    },
    async [Symbol.asyncDispose]() {
      await life.end()
      await disk.end()
    },
  }
}

async function begin(way: Way, store: StoreRoom, world: FakeWorld, limits: Partial<TowerLimits>) {
  const engine = await openTowerEngine({ store, clock: world.clock, random: systemRandom, limits })
  if (way.reach === "direct")
    return { engine, mailbox: engine as Mailbox, end: () => engine[Symbol.asyncDispose]() }
  const line = joinLine(engine, world, world.clock)
  const end = async () => {
    await line.mailbox[Symbol.asyncDispose]()
    await line.served
    await engine[Symbol.asyncDispose]()
  }
  return { engine, mailbox: line.mailbox, end }
}

/** Sizes of the pieces in which one side writes: one for each frame. */
export function recordWrites(channel: FakeChannel): number[] {
  const sizes: number[] = []
  const write = channel._write.bind(channel)
  channel._write = (chunk: Buffer, encoding: string, done) => {
    sizes.push(chunk.length)
    write(chunk, encoding, done)
  }
  return sizes
}

/** A client and a server of a mailbox, joined in memory. */
export function joinLine(served: Mailbox, world: FakeWorld, clock: Clock) {
  const [near, far] = joinChannels(MAILBOX_PROTOCOL, world)
  const abort = new AbortController()
  const serving = serveMailbox(far, served, { signal: abort.signal, clock })
  return { mailbox: openMailboxClient(near), served: serving, near, far, abort }
}

function openMemoryDisk(world: FakeWorld) {
  const disk = new MemoryDisk()
  return {
    open: async () => new MemoryLife(disk, world, () => {}).room("tower/"),
    end: async () => {},
  }
}

async function openRealDisk() {
  const [folder, remove] = await makeFolder()
  const key = new Uint8Array(32).fill(7)
  let store: Awaited<ReturnType<typeof openStore>> | undefined
  const { systemClock } = await import("../../../src/base/clock.ts")
  return {
    async open() {
      await store?.[Symbol.asyncDispose]()
      store = await openStore({ folder, key, clock: systemClock, log: silentLog })
      return store.room("tower")
    },
    async end() {
      await store?.[Symbol.asyncDispose]()
      await remove()
    },
  }
}

/** A fresh queue or door, paid with a token. */
export async function makeQueue(tower: Tower, kind: QueueKind = "queue"): Promise<NewQueue> {
  return tower.mailbox.make({ kind, token: await freshToken(tower) }, CALL)
}

/** One token, as a friend gets it. */
export async function freshToken(tower: Tower): Promise<Uint8Array> {
  const invitation = await tower.engine.makeInvitation(1)
  const pending = blindTokens(1, systemRandom)
  const blinded = pending.map((one) => one.blinded)
  const issued = await tower.mailbox.issueTokens({ invitation, blinded }, CALL)
  const [token] = unblindTokens(pending, issued, await tower.mailbox.tokenKey(CALL))
  return token!
}

/** 4,096 bytes that say which they are. */
export function envelope(name: string | number): Uint8Array {
  const bytes = new Uint8Array(4_096)
  bytes.set(new TextEncoder().encode(String(name)))
  return bytes
}

/** What {@linkcode envelope} said. */
export function nameOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
}

/** An envelope id that is always the same for a name. */
export function idOf(name: string | number): Uint8Array {
  return new Uint8Array(createHash("sha256").update(String(name)).digest().subarray(0, 16))
}

/** Something to put. */
export function item(sendId: Uint8Array, name: string | number) {
  return { sendId, id: idOf(name), envelope: envelope(name) }
}

export function random(byteCount: number): Uint8Array {
  return new Uint8Array(randomBytes(byteCount))
}
