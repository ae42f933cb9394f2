/**
 * Reader keys of encrypted sites. The LeaseSet always holds as many as it may, so that guests can come while the site
 * stands, and nobody sees how many there are.
 *
 * @module
 */
import {
  AlliumError,
  encryptedAddress,
  newReaderKey,
  type PluginContext,
  READERS_MAX,
  type Session,
} from "allium/plugin"
import type { Guest } from "./lock.ts"
import type { SiteRecord } from "./site-record.ts"

/** A router that cannot encrypt says so at once, one that can builds tunnels first. */
const REFUSAL_MS = 3_000

/** The record with a key for each guest, and spare ones: as the site is to be opened. Keys of who is gone are left out. */
export function withReaders(record: SiteRecord): SiteRecord {
  const { encrypted } = record
  if (encrypted === undefined) return record
  const guests = record.guests.map((guest) => ({
    ...guest,
    readerKey: guest.readerKey ?? newReaderKey(),
  }))
  const spareCount = Math.max(0, READERS_MAX - guests.length)
  return {
    ...record,
    guests,
    encrypted: { spare: Array.from({ length: spareCount }, newReaderKey) },
  }
}

/** Keys of the session of a site; nothing when everybody may find it. */
export function readersOf({ encrypted, guests }: SiteRecord): readonly string[] | undefined {
  if (encrypted === undefined) return undefined
  return [...guests.flatMap(({ readerKey = [] }) => readerKey), ...encrypted.spare]
}

/**
 * The record with one guest more, who gets a spare key.
 * @throws {AlliumError} `LIMIT_REACHED`.
 */
export function withGuest(record: SiteRecord, guest: Guest): SiteRecord {
  const { guests, encrypted } = record
  if (encrypted === undefined) return { ...record, guests: [...guests, guest] }
  const [readerKey, ...spare] = encrypted.spare
  if (readerKey === undefined) throw noKeyLeft()
  return { ...record, guests: [...guests, { ...guest, readerKey }], encrypted: { spare } }
}

/** @throws {AlliumError} `LIMIT_REACHED` when an encrypted site cannot have so many guests. */
export function requireReaders({
  encrypted,
  guests,
}: Pick<SiteRecord, "encrypted" | "guests">): void {
  if (encrypted !== undefined && guests.length > READERS_MAX) throw noKeyLeft()
}

function noKeyLeft(): AlliumError {
  const found = `an encrypted site has ${READERS_MAX} links at most, and withdrawn ones count until it is stopped and started`
  return new AlliumError("LIMIT_REACHED", `Cannot invite: ${found}`)
}

/** Where a site is found. */
export function addressOf({ encrypted }: SiteRecord, { destination }: Session): string {
  return encrypted === undefined ? destination.b32 : encryptedAddress(destination)
}

/** @throws {AlliumError} `SESSION_NOT_SUPPORTED` when the router refuses to encrypt. */
export async function requireEncryption(
  session: Session,
  { clock, signal }: PluginContext,
): Promise<void> {
  const decided = new AbortController()
  const stop = session.watch(({ name }) => {
    if (name === "up" || name === "down") decided.abort()
  })
  const { name } = session.state
  if (name === "opening")
    await clock
      .sleep(REFUSAL_MS, { signal: AbortSignal.any([signal, decided.signal]) })
      .catch(() => {})
  stop()
  const { state } = session
  if (state.name === "down" && state.reason.code === "SESSION_NOT_SUPPORTED")
    throw cannotEncrypt(state.reason)
}

function cannotEncrypt(cause: AlliumError): AlliumError {
  const message = "Cannot open site: this router does not encrypt LeaseSets, expected i2pd"
  return new AlliumError("SESSION_NOT_SUPPORTED", message, { cause })
}
