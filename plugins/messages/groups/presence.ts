/**
 * What members say of themselves: how far they are, and with which key they can be told from others.
 *
 * @module
 */
import { AGREEMENT_DOMAIN, verifySignature } from "allium/plugin"
import { badRecord, keyBytes, same } from "./bytes.ts"
import type { PlainRecord } from "./records.ts"
import { floorFor } from "./state.ts"
import type { Turn } from "./turn.ts"

/** Tells a member how far we are. */
export function sayHere(turn: Turn, to: string, reply: boolean): void {
  const { log, own } = turn.state
  const member = log.members.get(to)
  if (member === undefined) return
  turn.tell(to, {
    ...{ do: "here", head: turn.head, era: own.era, sequence: own.sequence },
    ...{ floor: floorFor(own, member.joined), reply },
  })
}

/**
 * The first words to a member: a key that lets us speak through others, and how far we are. Who has said nothing yet
 * need not say that: everybody's first post has the number 1.
 */
export function greet(turn: Turn, to: string): void {
  const reachable = turn.world.isContact(to) || turn.state.agreements.has(to)
  if (!reachable) sayKeys(turn, to, false)
  else if (turn.state.own.sequence > 0) sayHere(turn, to, false)
}

/** Asks a member how far they are, and says the same of us. */
export function inquire(turn: Turn, to: string, reply: boolean): void {
  const reachable = turn.world.isContact(to) || turn.state.agreements.has(to)
  if (reachable) sayHere(turn, to, reply)
  else sayKeys(turn, to, true)
}

/** Tells a member our agreement key: for who is no contact of ours. */
export function sayKeys(turn: Turn, to: string, reply: boolean): void {
  const { agreementKey: agreement, agreementProof: proof } = turn.world.self
  turn.tell(to, { do: "keys", agreement, proof, reply })
}

/** @throws {AlliumError} `BAD_RECORD` for a key that is not theirs, or unsound. */
export function takeKeys(turn: Turn, from: string, said: PlainRecord & { do: "keys" }): void {
  requireKey(turn, from, said)
  if (!turn.state.log.members.has(from) || from === turn.me) return
  const isNews = !same(turn.state.agreements.get(from), said.agreement)
  const agreements = new Map(turn.state.agreements).set(from, said.agreement)
  turn.change({ agreements })
  if (said.reply && turn.spend(from)) sayKeys(turn, from, false)
  const isNeeded = turn.state.unsure || turn.state.own.sequence > 0
  if ((isNews || said.reply) && isNeeded && turn.spend(from)) sayHere(turn, from, turn.state.unsure)
}

function requireKey(turn: Turn, from: string, said: PlainRecord & { do: "keys" }): void {
  if (!verifySignature(keyBytes(from), AGREEMENT_DOMAIN, said.agreement, said.proof))
    throw badRecord("agreement key", "its proof is not its owner's")
  try {
    turn.world.self.agree(said.agreement)
  } catch {
    throw badRecord("agreement key", "it is unsound")
  }
}
