/**
 * Names people give: one shape for identities and contacts.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"

const LENGTH_MAX = 64
/** Control, format (also the ones that turn text around), private, unassigned; line ends. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu
/** A name that looks like a key could not be told from one on the command line. */
const LOOKS_LIKE_KEY = /^[A-Za-z0-9_-]{43}$/

/** 1 to 64 characters, NFC, nothing invisible, no space around, not the form of a key. */
export const nameShape: z.ZodType<string> = z
  .string()
  .max(2 * LENGTH_MAX)
  .refine(isName)

/**
 * @returns The name in NFC.
 * @throws {AlliumError} `BAD_INPUT`; does not repeat the name.
 */
export function checkPersonName(name: string): string {
  const normal = name.length <= 4 * LENGTH_MAX ? name.normalize("NFC") : ""
  if (isName(normal)) return normal
  const expected = "1 to 64 visible characters without spaces around"
  throw new AlliumError("BAD_INPUT", `Cannot use name: expected ${expected}`)
}

/** What a stranger calls himself, made into a name; `fallback` when nothing is left of it. */
export function tameName(text: string, fallback: string): string {
  const visible = text.slice(0, 1024).normalize("NFC").replace(HIDDEN, "").trim()
  const short = [...visible].slice(0, LENGTH_MAX).join("").trim()
  return isName(short) ? short : fallback
}

/** The name itself when it is free, else with the first number that makes it so: `ann`, `ann 2`, `ann 3`. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name
  for (let number = 2; ; number++) {
    const ending = ` ${number}`
    const candidate =
      [...name]
        .slice(0, LENGTH_MAX - ending.length)
        .join("")
        .trim() + ending
    if (!isTaken(candidate)) return candidate
  }
}

function isName(text: string): boolean {
  const { length } = [...text]
  if (length < 1 || length > LENGTH_MAX || text !== text.normalize("NFC")) return false
  return text === text.trim() && text.search(HIDDEN) < 0 && !LOOKS_LIKE_KEY.test(text)
}
