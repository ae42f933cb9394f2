/**
 * Every SAM session of this router, each owned by one identity, plugin or tunnel, never shared.
 *
 * @module
 */
import { hkdfSync } from "node:crypto"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import type { Scope } from "../base/scope.ts"
import type { BridgeAddress } from "../sam/bridge-address.ts"
import type { DatagramStyle } from "../sam/datagram-format.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import { type Destination, ED25519_SIGNATURE_TYPE, keyTypes } from "../sam/destination.ts"
import { signAs } from "../sam/ed25519.ts"
import type { KeyGuard } from "../sam/key-guard.ts"
import { readDestinationKeys, readKeyFile } from "../sam/private-keys.ts"
import type { Session, SessionState } from "../sam/session.ts"
import type { I2cpOptions } from "../sam/session-options.ts"
import { type DatagramSession, openSupervisedDatagrams } from "../sam/supervised-datagrams.ts"
import { openSupervisedSession } from "../sam/supervised-session.ts"
import type { StoreRoom, Table } from "../store/store.ts"

/** Who a session belongs to, for status and for its keys: `identity`, `plugin sites`, `tunnel web`, `mail pull of work` or `names feed`. */
export interface SessionOwner {
  readonly kind: "identity" | "plugin" | "tunnel" | "mail" | "names"
  readonly name: string
}

/** One line of `allium status`. */
export interface SessionReport {
  readonly owner: SessionOwner
  readonly address: string
  readonly state: SessionState
  /** How long it has been so, by the clock that does not jump. */
  readonly forMs: number
}

/** Opens sessions and knows which stand. */
export interface Sessions extends AsyncDisposable {
  /**
   * A session with the given key file, or with keys that are `renewed` whenever the router lost it; at once, in state
   * `opening`. Ends with `scope`.
   */
  open(
    owner: SessionOwner,
    keys: Uint8Array | "renewed",
    scope: Scope,
    i2cpOptions?: I2cpOptions,
  ): Session
  /**
   * A session of a plugin or tunnel: keys from the store (`persistent`) or made new (`transient`).
   * @throws {AlliumError} `DESTINATION_TAKEN` when a session has its lasting keys already.
   */
  openOwn(
    owner: SessionOwner,
    keys: "persistent" | "transient",
    scope: Scope,
    i2cpOptions?: I2cpOptions,
  ): Promise<Session>
  /**
   * A session for datagrams, whose keys are of no other session: `persistent` ones are made of the owner's
   * seed, or were adopted, and are forgotten with it. At once, in state `opening`.
   *
   * @param wish.keys - `persistent`, a private key file, or `renewed` ones as of {@linkcode Sessions.open}.
   * @throws {AlliumError} `DESTINATION_TAKEN` when keys were adopted, and a session has them already: a destination
   * has streams, or datagrams of one style.
   */
  openDatagrams(
    owner: SessionOwner,
    wish: { keys: "persistent" | "renewed" | Uint8Array; style: DatagramStyle },
    scope: Scope,
  ): Promise<DatagramSession>
  /** Keys nobody has yet, as a private key file for {@linkcode Sessions.open}. */
  freshKeys(): Uint8Array
  /** Seed of a key for links on a session with persistent keys, 32 bytes; secret, and forgotten with them. */
  linkSeed(owner: SessionOwner): Promise<Uint8Array>
  /**
   * Makes the keys of a private key file an owner's persistent ones.
   * @throws {AlliumError} `BAD_DESTINATION_KEYS`, `BAD_DESTINATION`; `DESTINATION_TAKEN` when anybody here has them.
   */
  adopt(owner: SessionOwner, keys: Uint8Array): Promise<void>
  /** Who has an address here: a session that stands, or keys that were adopted for a later one. */
  holder(address: string): Promise<string | undefined>
  /** Forgets persistent keys: the address can never come back. */
  forget(owner: SessionOwner): Promise<void>
  list(): readonly SessionReport[]
  /**
   * Signs as a destination whose session stands here; `undefined` when none does, its own key is elsewhere or is no Ed25519 one.
   * @param address - Its `.b32.i2p` name.
   */
  signer(address: string): Signer | undefined
}

/** What {@linkcode openSessions} needs. */
export interface SessionsOptions {
  readonly bridge: () => Promise<BridgeAddress>
  readonly store: StoreRoom
  /** Never two sessions with one key, and none too soon. */
  readonly guard: KeyGuard
  /** How long keys rest between two sessions, in milliseconds. */
  readonly coolDownMs: number
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
  /** Told at every change of any session. */
  readonly onState: (report: SessionReport) => void
}

/** Signs as one destination. */
export interface Signer {
  readonly destination: Destination
  /** Ed25519 over exactly `message`; 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** Sessions of either sort, as far as the book knows them. */
type Kept = Pick<Session, "destination" | "state" | "watch"> & AsyncDisposable

interface Entry {
  /** Private key file; a secret. Nobody signs with keys that are renewed. */
  readonly keys: Uint8Array | "renewed"
  readonly owner: SessionOwner
  readonly session: Kept
  readonly close: () => Promise<void>
  readonly is: SessionState["name"]
  /** Monotonic. */
  readonly sinceMs: number
}

const SEED_BYTES = 32
const LINK_KEY_INFO = "allium link key of a session v1"
const DATAGRAM_SEED_INFO = "allium datagram destination v1 "
const seedShape = z.instanceof(Uint8Array).refine((seed) => seed.length === SEED_BYTES)

/** Opens the book of sessions; none stands yet. */
export function openSessions(options: SessionsOptions): Sessions {
  const seeds: Table<Uint8Array> = options.store.table("session-seeds", seedShape)
  const adopted: Table<Uint8Array> = options.store.table("session-keys", z.instanceof(Uint8Array))
  const { clock } = options
  const standing = new Set<Entry>()
  const report = (entry: Entry): SessionReport => {
    const { owner, session, sinceMs } = entry
    const { destination, state } = session
    return { owner, address: destination.b32, state, forMs: clock.monotonicMs() - sinceMs }
  }

  const toolsFor = (owner: SessionOwner) => ({
    bridge: options.bridge,
    guard: options.guard,
    coolDownMs: options.coolDownMs,
    clock,
    chance: options.chance,
    random: options.random,
    log: options.log.child(owner.kind),
  })

  const open: Sessions["open"] = (owner, keys, ownerScope, i2cpOptions = {}) => {
    const session = openSupervisedSession({ ...toolsFor(owner), keys, i2cpOptions })
    return enter({ owner, keys, session }, ownerScope)
  }

  /** Writes it into the book until it is closed. */
  const enter = <S extends Kept>(
    { owner, keys, session }: { owner: SessionOwner; keys: Entry["keys"]; session: S },
    ownerScope: Scope,
  ): S => {
    const close = once(() => Promise.resolve(session[Symbol.asyncDispose]()))
    const is = session.state.name
    const entry: Entry = { keys, owner, session, close, is, sinceMs: clock.monotonicMs() }
    standing.add(entry)
    session.watch(({ name }) => {
      if (name !== entry.is) Object.assign(entry, { is: name, sinceMs: clock.monotonicMs() })
      if (name === "closed") standing.delete(entry)
      options.onState(report(entry))
    })
    ownerScope.defer(close)
    return session
  }

  const seedOf = async (owner: SessionOwner): Promise<Uint8Array> => {
    const key = `${owner.kind}/${owner.name}`
    const known = await seeds.get(key)
    if (known !== undefined) return known
    const seed = options.random(SEED_BYTES)
    await options.store.commit([seeds.put(key, seed)])
    return seed
  }

  const keysOf = async (owner: SessionOwner): Promise<Uint8Array> =>
    (await adopted.get(`${owner.kind}/${owner.name}`)) ?? deriveKeys(await seedOf(owner))

  /** Lasting keys that no session has at the moment; whoever asks opens one before anything else happens. */
  const requireFree = (keys: Uint8Array): Uint8Array => {
    const { b32 } = readKeyFile(keys)
    const entry = [...standing].find(({ session }) => session.destination.b32 === b32)
    if (entry !== undefined) throw keysTaken(`${entry.owner.kind} ${entry.owner.name}`)
    return keys
  }

  const holderOf = async (address: string): Promise<string | undefined> => {
    for (const { owner, session } of standing)
      if (session.destination.b32 === address) return `${owner.kind} ${owner.name}`
    for await (const [owner, keys] of adopted.entries())
      if (readKeyFile(keys).b32 === address) return owner.replace("/", " ")
    return undefined
  }

  /** Keys that were imported for this owner, or others than those of its streams. */
  const datagramKeys = async (owner: SessionOwner, style: DatagramStyle): Promise<Uint8Array> => {
    const known = await adopted.get(`${owner.kind}/${owner.name}`)
    if (known !== undefined) return known
    const info = `${DATAGRAM_SEED_INFO}${style}`
    const seed = hkdfSync("sha256", await seedOf(owner), "", info, SEED_BYTES)
    return deriveKeys(new Uint8Array(seed))
  }

  const freshKeys = () => deriveKeys(options.random(SEED_BYTES))

  return {
    open,
    async openOwn(owner, keys, ownerScope, i2cpOptions) {
      const made = keys === "persistent" ? requireFree(await keysOf(owner)) : freshKeys()
      return open(owner, made, ownerScope, i2cpOptions)
    },
    async openDatagrams(owner, { keys, style }, ownerScope) {
      const made = keys === "persistent" ? requireFree(await datagramKeys(owner, style)) : keys
      const session = openSupervisedDatagrams({ ...toolsFor(owner), keys: made, style })
      return enter({ owner, keys: made, session }, ownerScope)
    },
    freshKeys,
    async linkSeed(owner) {
      return new Uint8Array(hkdfSync("sha256", await seedOf(owner), "", LINK_KEY_INFO, SEED_BYTES))
    },
    async adopt(owner, keys) {
      const holder = await holderOf(readKeyFile(keys).b32)
      if (holder !== undefined) throw keysTaken(holder)
      await options.store.commit([adopted.put(`${owner.kind}/${owner.name}`, keys)])
    },
    holder: holderOf,
    async forget(owner) {
      const key = `${owner.kind}/${owner.name}`
      await options.store.commit([seeds.remove(key), adopted.remove(key)])
    },
    list: () => [...standing].map(report),
    signer(address) {
      const entry = [...standing].find(({ session }) => session.destination.b32 === address)
      if (entry === undefined || entry.keys === "renewed") return undefined
      if (keyTypes(entry.session.destination).signatureType !== ED25519_SIGNATURE_TYPE)
        return undefined
      const { destination, signingPrivateKey, offline } = readDestinationKeys(entry.keys)
      if (offline !== undefined) return undefined
      return { destination, sign: (message) => signAs(signingPrivateKey, message) }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...standing].map(({ close }) => close()))
    },
  }
}

function deriveKeys(seed: Uint8Array): Uint8Array {
  return deriveDestinationKeys(seed).privateKeyFile
}

function keysTaken(holder: string): AlliumError {
  const found = `${holder} of this router has the same ones, expected others`
  return new AlliumError("DESTINATION_TAKEN", `Cannot take keys: ${found}`)
}

/** The same promise for every call. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= run()
    return running
  }
}
