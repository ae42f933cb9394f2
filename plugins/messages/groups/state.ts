/**
 * What one identity knows of one group, and what a step of it may do to the world.
 *
 * @module
 */
import type { Identity } from "allium/plugin"
import type { Asked, Chain } from "./chain.ts"
import type { GroupLog } from "./log.ts"
import type { Bare, PlainRecord, Post } from "./records.ts"

/** Posts of our own that are kept for who missed them. */
export const KEPT_POSTS_MAX = 256

/** Our own posts. */
export interface OwnChain {
  /** 8 random bytes. */
  readonly era: Uint8Array
  /** Number of the last one; 0 when there is none. */
  readonly sequence: number
  readonly hash: Uint8Array | undefined
  /** Where heads changed: from post `first` on, the head had this `number`. In order. */
  readonly steps: readonly { readonly number: number; readonly first: number }[]
}

/** See the module. A value, never changed. */
export interface GroupState {
  readonly log: GroupLog
  readonly own: OwnChain
  /** By author and era, see {@linkcode chainKey}. */
  readonly chains: ReadonlyMap<string, Chain>
  /** By member: their agreement key, 32 bytes, proven. */
  readonly agreements: ReadonlyMap<string, Uint8Array>
  /** The owner signed two entries with this number. */
  readonly forkedAt: number | undefined
  /** Restored, and no other member has answered yet: our log may be old. */
  readonly unsure: boolean
  /** We want to leave: when the owner was told last. */
  readonly leavingMs: number | undefined
  /** Whom we asked for entries last; `upto` is how many entries there are, as they say. */
  readonly logAsked: (Asked & { readonly of: string }) | undefined
  /** What our last `here` to all said, and when. */
  readonly told: { readonly atMs: number; readonly number: number; readonly sequence: number }
  /** How much others asked of us lately; not kept on disk. */
  readonly budgets: ReadonlyMap<string, { readonly sinceMs: number; readonly count: number }>
}

/** What a step needs of the world. */
export interface GroupWorld {
  readonly self: Pick<
    Identity,
    "key" | "publicKey" | "sign" | "agree" | "agreementKey" | "agreementProof"
  >
  readonly nowMs: number
  /** Whether letters can be sent to whoever has this key. */
  isContact(key: string): boolean
  /** Random bytes. */
  random(length: number): Uint8Array
}

/** A letter that is to be sent. */
export interface OutRecord {
  /** The contact it goes to. */
  readonly hop: string
  /** The member it is for. */
  readonly to: string
  /** Packed. */
  readonly content: Uint8Array
  /** Number of our own post in it. */
  readonly sequence?: number
}

/** A post that is to be shown. */
export interface ShownPost {
  readonly author: string
  readonly post: Post
}

/** What a person or the rest of the plugin should know. */
export type Note =
  | { readonly kind: "changed"; readonly number: number }
  | { readonly kind: "joined" }
  | { readonly kind: "gone" }
  | { readonly kind: "forked"; readonly number: number }
  /** This member's log is not ours. */
  | { readonly kind: "differs"; readonly member: string }
  | { readonly kind: "missing"; readonly member: string; readonly count: number }
  /** Our posts up to this one are on their disk. */
  | { readonly kind: "got"; readonly member: string; readonly upto: number }
  /** This member wants posts of ours; the caller has them. */
  | {
      readonly kind: "resend"
      readonly member: string
      readonly from: number
      readonly upto: number
    }
  /** Nobody we know can pass anything on to this member. */
  | { readonly kind: "unreachable"; readonly member: string }

/** What came of a step. */
export interface GroupStep {
  readonly state: GroupState
  readonly out: readonly OutRecord[]
  readonly shown: readonly ShownPost[]
  readonly notes: readonly Note[]
}

/** What one member says to another, without the group. */
export type Saying =
  Bare<PlainRecord> extends infer R
    ? R extends Bare<PlainRecord>
      ? Omit<R, "group">
      : never
    : never

/** Names a chain. */
export function chainKey(author: string, era: Uint8Array): string {
  return `${author}.${Buffer.from(era).toString("hex")}`
}

/** The state of who has a log and nothing else. */
export function newState(log: GroupLog, era: Uint8Array): GroupState {
  return {
    log,
    own: { era, sequence: 0, hash: undefined, steps: [] },
    ...{ chains: new Map(), agreements: new Map(), budgets: new Map() },
    ...{ forkedAt: undefined, unsure: false, leavingMs: undefined, logAsked: undefined },
    told: { atMs: 0, number: 0, sequence: 0 },
  }
}

/** Our posts up to this number are not for who joined with entry `joined`, or are no longer kept. */
export function floorFor(own: OwnChain, joined: number): number {
  const step = own.steps.find(({ number }) => number >= joined)
  const before = step === undefined ? own.sequence : step.first - 1
  return Math.max(before, own.sequence - KEPT_POSTS_MAX)
}
