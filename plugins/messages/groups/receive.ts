/**
 * A record comes in: from a contact, or through one.
 *
 * @module
 */
import { badRecord, keyBytes, keyText, same } from "./bytes.ts"
import { giveLog, learn } from "./history.ts"
import { takeLeave } from "./leaving.ts"
import { givePosts, takeHere, takePost } from "./posts.ts"
import { sayKeys, takeKeys } from "./presence.ts"
import { type GroupRecord, type PassRecord, type PlainRecord, readPlain } from "./records.ts"
import { provesItself, type Turn } from "./turn.ts"

/**
 * Takes a record of this group.
 *
 * @param sender - Identity key of the contact whose letter it is; our own for another device of ours.
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK`: nothing has changed, and the record is worth nothing.
 */
export function receive(turn: Turn, sender: string, record: GroupRecord): void {
  if (record.do !== "pass") take(turn, sender, record, false)
  else if (!same(record.to, keyBytes(turn.me))) passOn(turn, sender, record)
  else if (sender !== turn.me && !same(record.from, record.to)) takePassed(turn, record)
}

function take(turn: Turn, from: string, record: PlainRecord, passed: boolean): void {
  if (record.do === "log") learn(turn, record.entries, from)
  else if (record.do === "post") takePost(turn, from, record.post, passed)
  else if (from !== turn.me) takeOthers(turn, from, record)
}

type Others = Exclude<PlainRecord, { do: "log" | "post" }>

/** What another device of ours says to others is not for us. */
function takeOthers(turn: Turn, from: string, record: Others): void {
  if (record.do === "here") takeHere(turn, from, record)
  else if (record.do === "keys") takeKeys(turn, from, record)
  else if (record.do === "leave") takeLeave(turn, from, record)
  else if (record.do === "got") takeGot(turn, from, record)
  else giveWhatIsAsked(turn, from, record)
}

function takeGot(turn: Turn, from: string, said: PlainRecord & { do: "got" }): void {
  if (!turn.state.log.members.has(from) || !same(said.era, turn.state.own.era)) return
  turn.note({ kind: "got", member: from, upto: said.upto })
}

function giveWhatIsAsked(turn: Turn, from: string, asked: PlainRecord & { do: "ask" }): void {
  if (asked.log !== undefined) giveLog(turn, from, asked.log)
  if (asked.posts !== undefined) givePosts(turn, from, asked.posts)
}

function takePassed(turn: Turn, pass: PassRecord): void {
  const from = keyText(pass.from)
  const record = readPlain(pass.record)
  if (!same(record.group, turn.state.log.id))
    throw badRecord("group record", "it is of another group")
  if (provesItself(record) || turn.isFrom(pass)) take(turn, from, record, true)
  else askKeys(turn, from)
}

/** Nobody can pretend to be a member whose key we have; without it we ask for theirs. */
function askKeys(turn: Turn, from: string): void {
  if (turn.state.agreements.has(from))
    throw badRecord("group record", "it is not from whom it says")
  if (turn.state.log.members.has(from) && turn.spend(from)) sayKeys(turn, from, true)
}

/** For somebody else: only between members, and only as long as the sender does not overdo it. */
function passOn(turn: Turn, sender: string, pass: PassRecord): void {
  const { members } = turn.state.log
  const all = [turn.me, sender, keyText(pass.from), keyText(pass.to)]
  if (sender === turn.me || !all.every((key) => members.has(key))) return
  if (pass.hops === 1 && keyText(pass.from) !== sender)
    throw badRecord("group record", "it is not from whom it says")
  if (turn.spend(sender)) turn.pass(pass, sender)
}
