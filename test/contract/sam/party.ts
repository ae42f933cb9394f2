/**
 * A session on a bridge, and what its bridge said about it.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { field, type RawSam } from "./raw-client.ts"

/** New keys that every router makes alike. */
export const TRANSIENT = "DESTINATION=TRANSIENT SIGNATURE_TYPE=7"
/** Fewer tunnels leave some destinations of i2pd 2.45.1 unreachable for minutes. */
const QUANTITIES = "inbound.quantity=3 outbound.quantity=3 i2cp.leaseSetEncType=4"

/** One session and its control socket. */
export interface Party {
  readonly id: string
  readonly port: number
  readonly control: RawSam
  /** Answer to SESSION CREATE. */
  readonly reply: string
  /** What NAMING LOOKUP says of ME. */
  readonly destination: string
}

/** @param words - Style and keys. */
export async function openParty(
  open: () => Promise<RawSam>,
  port: number,
  words: string,
): Promise<Party> {
  const control = await open()
  const id = `contract-${randomBytes(8).toString("hex")}`
  const reply = await control.ask(`SESSION CREATE ID=${id} ${words} ${QUANTITIES}`)
  const me = await control.ask("NAMING LOOKUP NAME=ME")
  return { id, port, control, reply, destination: field(me, "VALUE") ?? "" }
}
