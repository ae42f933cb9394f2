/**
 * From a host name to what a session can connect to: petnames, then contacts, then the I2P router.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { IdentityBook } from "../identity/identity.ts"
import type { BridgeAddress } from "../sam/bridge-address.ts"
import { lookupName } from "../sam/names.ts"
import { withBridge } from "./ask-bridge.ts"
import { isAddress, type NameRecord, type Petnames } from "./names.ts"

/** Finds destinations by name. */
export interface Resolver {
  /** @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`, `BRIDGE_UNREACHABLE`. */
  lookup(name: string, call: { signal: AbortSignal }): Promise<NameRecord>
}

/**
 * Opens a resolver. Questions to the router go over a control socket of their own, so that no session
 * is tied to a name somebody typed.
 */
export function openResolver(options: {
  readonly petnames: Petnames
  readonly identities: IdentityBook
  readonly bridge: () => Promise<BridgeAddress>
}): Resolver {
  const { petnames, identities, bridge } = options
  return {
    async lookup(text, call) {
      const name = text.trim()
      if (isAddress(name)) return { name, address: name, source: "address" }
      const own = (await petnames.find(name)) ?? contactNamed(identities, name)
      if (own !== undefined) return own
      if (!name.endsWith(".i2p"))
        throw new AlliumError(
          "NAME_NOT_FOUND",
          "Cannot find name: no petname, no contact, not .i2p",
        )
      const { base64 } = await withBridge(await bridge(), call, ({ conversation }) =>
        lookupName(conversation, name, call),
      )
      return { name, address: base64, source: "router" }
    },
  }
}

/** The address of a contact of any identity; the first identity that knows the name wins. */
function contactNamed(identities: IdentityBook, name: string): NameRecord | undefined {
  for (const identity of identities.list()) {
    const found = identities.contacts(identity).list()
    const contact = found.find((one) => one.name === name && one.state === "accepted")
    if (contact !== undefined) return { name, address: contact.address, source: "contact" }
  }
  return undefined
}
