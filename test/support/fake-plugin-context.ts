/**
 * Two routers' worth of plugin context, joined in memory: contacts of each other, a link that can be cut, processes that
 * can crash at any write and be started again.
 */
import { setMaxListeners } from "node:events"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import type { Contact, ContactState } from "../../src/identity/contacts.ts"
import type { Identity } from "../../src/identity/identity.ts"
import type { Channel } from "../../src/link/link.ts"
import type { ContactNews } from "../../src/router/contact-news.ts"
import type { Offer, OfferCall, Progress } from "../../src/router/offer.ts"
import type {
  BackupPart,
  PeerChannel,
  Plugin,
  PluginBlobs,
  PluginContext,
} from "../../src/router/plugin.ts"
import type { TowerAddress } from "../../src/router/tower-uri.ts"
import type { StoreRoom } from "../../src/store/store.ts"
import { type Chop, type FakeChannel, joinChannels } from "./fake-channel.ts"
import { FakeMail, type TowerLetter } from "./fake-mail.ts"
import { FakeWorld } from "./fake-world.ts"
import { MemoryDisk, MemoryLife } from "./memory-store.ts"

/** An event as the router's stream would carry it. */
export interface FakeEvent {
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** How a peer is set up. */
export interface FakePeerOptions {
  /** Folder of the plugin; a test that needs one makes it. */
  readonly folder?: string
  /** Store to use in place of the memory's; it then survives crashes as it is. */
  readonly store?: StoreRoom
}

/** One running process of a peer. */
interface Life {
  readonly memory: MemoryLife
  readonly abort: AbortController
  readonly runners: Map<string, (input: never, call: OfferCall) => unknown>
  readonly handlers: Map<string, (peer: PeerChannel) => Promise<void>>
  readonly listeners: ((peer: { identity: Identity; contact: Contact }) => void)[]
  readonly contactListeners: ((news: ContactNews) => void)[]
  readonly closers: AsyncDisposable[]
  readonly mail: FakeMail
}

/** One side of the pair. */
export class FakePeer {
  readonly name: string
  readonly disk = new MemoryDisk()
  readonly events: FakeEvent[] = []
  readonly identity: Identity
  readonly folder: string
  /** Faults of handlers that should have dealt with them. */
  readonly faults: unknown[] = []
  contacts: Contact[] = []
  /** The part of a backup that the plugin keeps. */
  backup: BackupPart | undefined
  /** Answers what the plugin asks of other offers. */
  ask: PluginContext["ask"] = () => Promise.reject(new Error("Nobody to ask in this test"))
  /** Called when a process of this peer ends, in whatever way. */
  onEnd: () => void = () => {}
  life: Life | undefined
  readonly #pair: FakePair
  readonly #store: StoreRoom | undefined

  constructor(pair: FakePair, name: string, options: FakePeerOptions) {
    this.#pair = pair
    this.name = name
    this.identity = makeIdentity(name)
    this.folder = options.folder ?? "/nowhere"
    this.#store = options.store
  }

  /** The other side. */
  get other(): FakePeer {
    return this.#pair.left === this ? this.#pair.right : this.#pair.left
  }

  /** Starts the plugin on what is on disk; resolves when it stands, never when it crashes on the way. */
  async start(plugin: Plugin): Promise<void> {
    const { world } = this.#pair
    let crashed = () => {}
    const crash = new Promise<undefined>((resolve) => {
      crashed = () => resolve(undefined)
    })
    const onCrash = () => {
      this.#ended()
      crashed()
    }
    const memory = new MemoryLife(this.disk, world, onCrash)
    const life: Life = {
      memory,
      mail: new FakeMail(this.#pair, this, memory, this.#store ?? memory.room("/")),
      ...{ abort: new AbortController(), runners: new Map(), handlers: new Map() },
      ...{ listeners: [], contactListeners: [], closers: [] },
    }
    setMaxListeners(0, life.abort.signal)
    this.life = life
    const started = world.track(Promise.race([plugin.start(this.#context(life)), crash]))
    const resource = await started
    if (resource !== undefined) life.closers.push(resource)
    if (!memory.dead) this.#pair.wakeMail()
  }

  /** Stops in good order. */
  async stop(): Promise<void> {
    const life = this.life
    if (life === undefined) return
    life.abort.abort()
    for (const closer of life.closers) await closer[Symbol.asyncDispose]()
    await this.#pair.world.settle()
    life.memory.crash()
    await this.#pair.world.settle()
  }

  /** Kill -9: nothing of this process ever happens again. */
  crash(): void {
    this.life?.memory.crash()
  }

  /** Runs an offer, its input passed through its shape as the router does. */
  run<O extends Offer>(offer: O, input: Record<string, unknown>, call: Partial<OfferCall> = {}) {
    const run = this.life?.runners.get(offer.verb)
    if (run === undefined) throw new Error(`Nobody answers "${offer.verb}" at ${this.name}`)
    const whole: OfferCall = { signal: new AbortController().signal, progress: () => {}, ...call }
    return run(offer.input.parse(input) as never, whole) as Promise<never>
  }

  /** Events of this name, their data only. */
  told(name: string): Readonly<Record<string, unknown>>[] {
    return this.events.filter((event) => event.name === name).map(({ data }) => data)
  }

  /** How this side sees the other. */
  setContact(state: ContactState | undefined): void {
    this.contacts = state === undefined ? [] : [makeContact(this.other, state)]
    this.#pair.wakeMail()
  }

  /** Something is learnt of the other side. */
  learn(what: ContactNews["what"]): void {
    const { identity } = this
    for (const listener of this.life?.contactListeners ?? [])
      listener({ identity, contact: this.#findContact(this.other.identity.key), what })
  }

  #ended(): void {
    this.life = undefined
    this.onEnd()
    this.#pair.cut()
  }

  #context(life: Life): PluginContext {
    const { world } = this.#pair
    return {
      signal: life.abort.signal,
      log: silentLog,
      clock: world.clock,
      store: this.#store ?? life.memory.room("/"),
      folder: this.folder,
      identities: { list: () => [this.identity], find: () => this.identity },
      contacts: {
        list: () => this.contacts,
        find: (_, nameOrKey) => this.#findContact(nameOrKey),
      },
      answer: (offer, run) => void life.runners.set(offer.verb, run as never),
      emit: (name, data) => {
        if (!life.memory.dead) this.events.push({ name, data: JSON.parse(JSON.stringify(data)) })
      },
      serve: (protocol, handle) => void life.handlers.set(protocol, handle),
      open: async ({ contact }, protocol, { signal }) => {
        await life.memory.alive()
        signal.throwIfAborted()
        this.#findContact(contact.key)
        return this.#pair.open(this, protocol)
      },
      onReachable: (listener) => void life.listeners.push(listener),
      onContact: (listener) => void life.contactListeners.push(listener),
      mail: life.mail,
      blobs: this.#pair.blobs,
      backup: (part) => {
        this.backup = part
      },
      ask: (verb, input, call) => this.ask(verb, input, call),
      session: () => Promise.reject(new Error("No session of its own in this test")),
      listen: () => Promise.reject(new Error("No session of its own in this test")),
      forgetSession: async () => {},
    }
  }

  #findContact(nameOrKey: string): Contact {
    const found = this.contacts.find(({ name, key }) => name === nameOrKey || key === nameOrKey)
    if (found) return found
    throw new AlliumError("NO_CONTACT", "Cannot find contact")
  }
}

/** Two peers, Ann (left) and Bob (right), accepted contacts of each other; the link is down at first. */
export class FakePair {
  readonly world = new FakeWorld()
  readonly left: FakePeer
  readonly right: FakePeer
  /** How bytes are cut into pieces on the way. */
  chop: Chop = (byteCount) => byteCount
  /** Channels that were ever opened. */
  openCount = 0
  /** A tower that holds letters for who is away: by receiver, in order of coming. */
  tower: Map<string, TowerLetter[]> | undefined
  /** Towers that both use for blobs, and what they hold, by id in hex. */
  towers: TowerAddress[] = []
  readonly held = new Map<string, Uint8Array>()
  readonly blobs: PluginBlobs = {
    towers: () => this.towers,
    put: async (_identity, _tower, { id, bytes }) =>
      void this.held.set(Buffer.from(id).toString("hex"), bytes),
    get: async (_tower, id) => this.held.get(Buffer.from(id).toString("hex")),
  }
  /** Resolves when the link is lost that stands now, or stood last. */
  lost: Promise<void> = Promise.resolve()
  #lose = () => {}
  #up = false
  #channels = new Set<FakeChannel>()

  constructor(options: { left?: FakePeerOptions; right?: FakePeerOptions } = {}) {
    this.left = new FakePeer(this, "ann", options.left ?? {})
    this.right = new FakePeer(this, "bob", options.right ?? {})
    this.left.setContact("accepted")
    this.right.setContact("accepted")
  }

  /** The link comes up, if both run. */
  connect(): void {
    if (!this.left.life || !this.right.life) return
    if (!this.#up)
      this.lost = new Promise((resolve) => {
        this.#lose = resolve
      })
    this.#up = true
    for (const peer of [this.left, this.right])
      for (const listener of peer.life?.listeners ?? [])
        if (peer.contacts[0]) listener({ identity: peer.identity, contact: peer.contacts[0] })
    this.wakeMail()
  }

  /** Whether the link stands. */
  get isUp(): boolean {
    return this.#up
  }

  /** The other side as a contact, also when it was removed. */
  contactFor(peer: FakePeer): Contact {
    return makeContact(peer, "accepted")
  }

  /** Something changed that may let letters go. */
  wakeMail(): void {
    for (const peer of [this.left, this.right]) peer?.life?.mail.wake()
  }

  /** The link is lost, with everything on it. */
  cut(): void {
    this.#up = false
    this.#lose()
    for (const channel of this.#channels)
      channel.destroy(new AlliumError("LINK_LOST", "Cannot go on: the link was lost"))
    this.#channels.clear()
  }

  /** What `context.open` does. */
  open(from: FakePeer, protocol: string): Channel {
    const to = from.other
    const contact = to.contacts[0]
    if (!this.#up || to.life === undefined || contact?.state !== "accepted")
      throw new AlliumError("PEER_UNREACHABLE", "Cannot reach contact")
    const [mine, theirs] = joinChannels(protocol, this.world, (byteCount) => this.chop(byteCount))
    this.openCount++
    for (const channel of [mine, theirs]) {
      channel.on("error", () => {})
      this.#channels.add(channel)
      channel.once("close", () => this.#channels.delete(channel))
    }
    const handle = to.life.handlers.get(protocol)
    if (handle === undefined) theirs.destroy()
    else
      void this.world.hop().then(() =>
        handle({ identity: to.identity, contact, channel: theirs }).catch((fault: unknown) => {
          to.faults.push(fault)
        }),
      )
    return mine
  }
}

/** Collects what a run says of its progress. */
export function collectProgress(): { list: Progress[]; progress: (progress: Progress) => void } {
  const list: Progress[] = []
  return { list, progress: (progress) => void list.push(progress) }
}

function makeIdentity(name: string): Identity {
  const publicKey = new Uint8Array(32).fill(name.charCodeAt(0))
  const nothing = () => {
    throw new Error("No keys in this test")
  }
  const keys = {
    ...{ publicKey, key: Buffer.from(publicKey).toString("base64url"), sign: nothing },
    ...{ agreementKey: publicKey, agreementProof: publicKey, agree: nothing },
  }
  return {
    ...{ ...keys, name: `${name}-self`, index: 0, device: 0, address: `${name}.b32.i2p` },
    ...{ destinationKeys: nothing, backupKey: nothing },
    ...{ present: { ...keys, version: 0 }, keysAt: nothing, keysOf: nothing, rotations: nothing },
    destination: { b32: `${name}.b32.i2p` } as Identity["destination"],
  }
}

function makeContact(peer: FakePeer, state: ContactState): Contact {
  const { identity, name } = peer
  return {
    ...{ name, key: identity.key, address: `${name}.b32.i2p`, state },
    ...{ verified: false, greeting: "", since: 0 },
  }
}
