/**
 * Tags of a file's state, that tell a browser "unchanged" and tell nobody anything else.
 *
 * Usual servers make them of inode and time, which name the machine and when somebody was at work. Ours
 * are keyed hashes; the time itself (`Last-Modified`) is never sent.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3
 * @module
 */
import { createHmac } from "node:crypto"

/** What a tag stands for. */
export interface TaggedState {
  readonly path: string
  readonly byteCount: number
  readonly changedNs: bigint
}

/**
 * @param key - 32 random bytes of the site's own.
 * @returns A strong tag with its quotes: 24 characters.
 */
export function entityTag(key: Uint8Array, { path, byteCount, changedNs }: TaggedState): string {
  const hash = createHmac("sha256", key).update(`${byteCount} ${changedNs} ${path}`).digest()
  return `"${hash.subarray(0, 16).toString("base64url")}"`
}

/** The tag stands in the list of an `If-None-Match` or `If-Match` field, or the list is `*`. */
export function namesTag(field: string, tag: string): boolean {
  return (
    field.trim() === "*" || field.split(",").some((item) => item.trim().replace(/^W\//, "") === tag)
  )
}
