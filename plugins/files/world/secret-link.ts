/**
 * Links to secret shares: what a magnet link says, and a key without which nobody is answered. Pure.
 *
 * The scheme is one that no other program knows: it would tell trackers of the infohash.
 *
 * @see docs/protocol/torrent.md#secret-shares
 * @module
 */
import { hkdfSync } from "node:crypto"
import { AlliumError } from "allium/plugin"
import { TRANSFER_ID_BYTES } from "../contact/line-keys.ts"
import { formatMagnet, type Magnet, parseMagnet } from "../torrent/magnet.ts"

/** Of the key in a link, in bytes. */
export const SECRET_BYTES = 32
const SCHEME = "allium-file:"
const KEY_FIELD = /^x\.key=([A-Za-z0-9_-]{43})$/

/** What such a link says. */
export interface SecretLink {
  readonly magnet: Magnet
  /** {@linkcode SECRET_BYTES}. */
  readonly secret: Uint8Array
}

/** Whether a text is meant to be such a link. */
export function isSecretLink(text: string): boolean {
  return text.trim().toLowerCase().startsWith(SCHEME)
}

/** `allium-file:?xt=urn:btih:…&dn=…&x.pe=…&x.key=…`; trackers are left out. */
export function formatSecretLink({ magnet, secret }: SecretLink): string {
  const link = formatMagnet({ ...magnet, trackers: [] }).slice("magnet:".length)
  return `${SCHEME}${link}&x.key=${Buffer.from(secret).toString("base64url")}`
}

/** @throws {AlliumError} `BAD_MAGNET`; it does not quote the link. */
export function parseSecretLink(text: string): SecretLink {
  const rest = text.trim().slice(SCHEME.length)
  const magnet = parseMagnet(`magnet:${rest}`)
  const keys = rest.split("&").flatMap((field) => KEY_FIELD.exec(field)?.slice(1) ?? [])
  const secret = new Uint8Array(Buffer.from(keys[0] ?? "", "base64url"))
  if (keys.length !== 1 || Buffer.from(secret).toString("base64url") !== keys[0])
    throw new AlliumError("BAD_MAGNET", "Cannot read link to a secret share: it has no whole key")
  return { magnet: { ...magnet, trackers: [] }, secret }
}

/** What the opener of a line says in the clear: shows that there is a key, and nothing of it. */
export function lineIdOf(secret: Uint8Array): Uint8Array {
  const info = Buffer.from("allium/secret-share/1\0", "latin1")
  return new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(), info, TRANSFER_ID_BYTES))
}
