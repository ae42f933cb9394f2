/**
 * What one screen shows and another reads, so that two people know that nobody stands between them.
 *
 * `allium-verify:`, the key of who shows it, the key of whom it is shown to. The sixty digits of `safety-number.ts` say the
 * same to people; this says it to cameras.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"

const SCHEME = "allium-verify:"
const FORM = /^allium-verify:([\w-]{43})\.([\w-]{43})$/

/** @param own - Our identity key, base64url. @param their - The contact's. @returns 101 characters. */
export function verificationText(own: string, their: string): string {
  return `${SCHEME}${own}.${their}`
}

/**
 * Compares what the contact's screen showed; spaces around it do not matter.
 *
 * @throws {AlliumError} `BAD_INPUT` unless it names both keys, theirs first; says when it is our own text, or other keys.
 */
export function requireSameKeys(text: string, keys: { own: string; their: string }): void {
  const [, first, second] = FORM.exec(text.length > 300 ? "" : text.trim()) ?? []
  if (first === undefined) throw bad("it is no verification text")
  if (first === keys.own && second === keys.their)
    throw bad("it is your own: read the one on the contact's screen")
  if (first !== keys.their || second !== keys.own) throw bad("the keys are others, do not trust")
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot verify contact: ${found}`)
}
