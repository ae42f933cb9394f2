/**
 * From a host name to what a session can connect to: petnames, contacts, pinned names, feeds, then the I2P router.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { IdentityBook } from "../identity/identity.ts"
import type { BridgeAddress } from "../sam/bridge-address.ts"
import { lookupName } from "../sam/names.ts"
import { withBridge } from "./ask-bridge.ts"
import { readAddress } from "./names/address.ts"
import { canonicalName, warningOf } from "./names/host-name.ts"
import { RouterNames } from "./names/router-names.ts"
import type { NameRecord } from "./names.ts"

/** Finds destinations by name. */
export interface Resolver {
  /** @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`, `BRIDGE_UNREACHABLE`, `PEER_UNREACHABLE`, `BUSY`. */
  lookup(name: string, call: { signal: AbortSignal }): Promise<NameRecord>
  /** What we know ourselves, without asking anybody. */
  known(name: string): Promise<NameRecord | undefined>
}

/** One who knows names. */
export interface NameLayer {
  find(name: string): Promise<NameRecord | undefined>
}

/**
 * Opens a resolver. Questions to the router go over a control socket of their own, so that no session
 * is tied to a name somebody typed.
 */
export function openResolver(options: {
  /** Asked in order; the first who knows the name is believed. */
  readonly layers: readonly NameLayer[]
  readonly bridge: () => Promise<BridgeAddress>
  readonly clock: Clock
  /** Ends what is being asked. */
  readonly signal: AbortSignal
}): Resolver {
  const { layers, bridge, clock, signal } = options
  const ask = async (name: string) => {
    const call = { signal }
    return withBridge(await bridge(), call, async ({ conversation }) => {
      return (await lookupName(conversation, name, call)).base64
    })
  }
  const router = new RouterNames(ask, clock)
  const known = async (name: string) => {
    for (const layer of layers) {
      const found = await layer.find(name)
      if (found !== undefined) return found
    }
    return undefined
  }
  return {
    known,
    async lookup(text, call) {
      const name = text.trim()
      const address = readAddress(name)
      if (address !== undefined) return { name, address, source: "address" }
      const own = await known(name)
      if (own !== undefined) return withWarning(own)
      const asked = canonicalName(name)
      if (!asked?.endsWith(".i2p")) throw nobody()
      return withWarning({ name: asked, address: await router.find(asked, call), source: "router" })
    },
  }
}

function withWarning(record: NameRecord): NameRecord {
  const warning = warningOf(record.name)
  return warning === undefined ? record : { ...record, warning }
}

function nobody(): AlliumError {
  const message = "Cannot find name: no petname, no contact, not .i2p"
  return new AlliumError("NAME_NOT_FOUND", message)
}

/** The accepted contacts of all identities, by name; the first identity that knows the name wins. */
export function contactNames(identities: IdentityBook): NameLayer & { list(): NameRecord[] } {
  const list = () =>
    identities
      .list()
      .flatMap((identity) => identities.contacts(identity).list())
      .filter(({ state }) => state === "accepted")
      .map(({ name, address }): NameRecord => ({ name, address, source: "contact" }))
  return { list, find: async (name) => list().find((one) => one.name === name) }
}
