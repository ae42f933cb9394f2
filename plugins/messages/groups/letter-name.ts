/**
 * Names of the letters of groups, by which reports of them are understood.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { OutRecord } from "./state.ts"

/** Characters of a group's id, and of a member's key, in a name: a letter's name has 64 bytes at most. */
const GROUP_CHARACTERS = 16
const MEMBER_CHARACTERS = 10
const NAME = /^g\/([0-9a-f]{16})\/([0-9]{1,15})\/([A-Za-z0-9_-]{10})\/[0-9a-f]{8}$/

/** A letter that carries a post of ours. */
export interface PostLetter {
  /** Beginning of the group's id in hex. */
  readonly group: string
  readonly sequence: number
  /** Beginning of the key of the member it is for. */
  readonly to: string
}

/** Unique among what waits: the same post may go out again. */
export function letterName(group: string, { to, sequence }: OutRecord): string {
  const unique = randomBytes(4).toString("hex")
  if (sequence === undefined) return `g/${group.slice(0, GROUP_CHARACTERS)}/${unique}`
  const member = to.slice(0, MEMBER_CHARACTERS)
  return `g/${group.slice(0, GROUP_CHARACTERS)}/${sequence}/${member}/${unique}`
}

/** `undefined` for letters nobody follows. */
export function parseLetterName(name: string): PostLetter | undefined {
  const [, group, sequence, to] = NAME.exec(name) ?? []
  if (group === undefined || to === undefined) return undefined
  return { group, sequence: Number(sequence), to }
}

/** Whether a letter is one of a group. */
export function isGroupLetter(name: string): boolean {
  return name.startsWith("g/")
}
