/**
 * How to tell the embedded network from I2P.
 *
 * Every embedded bridge answers `NAMING LOOKUP NAME=embedded.network.allium` with one destination that is
 * derived from that very name. No I2P router does: the name does not even end in `.i2p`.
 *
 * @module
 */
import { createHash } from "node:crypto"
import type { Destination } from "../sam/destination.ts"
import { type BridgeKeys, generateKeys } from "./keys.ts"

/** The name that only an embedded bridge knows. */
export const EMBEDDED_MARKER_NAME = "embedded.network.allium"

let derived: BridgeKeys | undefined

/** The bridge's own keys: the marker, and what ME answers on a socket without a session. */
export function markerKeys(): BridgeKeys {
  const seed = createHash("sha256").update(EMBEDDED_MARKER_NAME).digest()
  derived ??= generateKeys(7, (byteCount) => new Uint8Array(seed.subarray(0, byteCount)))
  return derived
}

/**
 * Asks whether the bridge behind a session is an embedded network, so that NOT ANONYMOUS can be said.
 *
 * @param lookup - NAMING LOOKUP; `Session.lookup` fits. It rejects for a name that is not known.
 * @returns `true` only for the right destination; a failed look-up is `false`, for the caller's signal too.
 */
export async function isEmbeddedBridge(
  lookup: (name: string) => Promise<Pick<Destination, "b32">>,
): Promise<boolean> {
  const found = await lookup(EMBEDDED_MARKER_NAME).catch(() => undefined)
  return found?.b32 === markerKeys().destination.b32
}
