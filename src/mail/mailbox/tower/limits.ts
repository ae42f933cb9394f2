/**
 * How much a tower keeps, and for how long. `docs/limits.md` repeats it.
 *
 * @module
 */

/** What the owner of a tower may choose. */
export interface TowerLimits {
  /** Bytes of envelopes, greetings and blobs, and 4,096 for each queue; the disk needs about a fifth more. */
  readonly capBytes: number
  /** Queues and doors, moved ones included. */
  readonly queuesMax: number
  /** Zero bits a door asks for when it is empty, and when it is full; each doubles the work. */
  readonly workBitsMin: number
  readonly workBitsMax: number
}

/** Defaults. Empty door: half a second of one core; full: two minutes. */
export const TOWER_LIMITS: TowerLimits = {
  capBytes: 1_073_741_824,
  queuesMax: 65_536,
  workBitsMin: 4,
  workBitsMax: 12,
}

/** Envelopes in one queue: 1 MiB. */
export const QUEUE_ENVELOPES_MAX = 256
/** Envelopes at one door. */
export const DOOR_ENVELOPES_MAX = 64
/** Introduction tickets that wait at one door. */
export const DOOR_TICKETS_MAX = 64
/** Work that one door takes in two windows: all of it is among the ids it remembers, so none counts twice. */
export const DOOR_WORKS_MAX = 256
/** How long a challenge is new; it is taken for twice as long. */
export const WORK_WINDOW_S = 600
/** A queue lives so long after its owner was last heard. */
export const QUEUE_LIFE_S = 2_592_000
/** An envelope lives so long. */
export const ENVELOPE_LIFE_S = 2_592_000
/** Whoever puts hears so long where a queue moved. */
export const MOVED_LIFE_S = 2_592_000
/** A blob lives so long after it was last put. */
export const BLOB_LIFE_S = 31_536_000
/** That an owner was heard is written down when the last note is so old. */
export const HEARD_EVERY_S = 3_600
/** Between two looks at what has expired. */
export const SWEEP_EVERY_MS = 3_600_000
/** Tokens signed with one key; with the next key, the tokens of the one before the last are void. */
export const EPOCH_TOKENS_MAX = 65_536
/** Invitations at a time. */
export const INVITATIONS_MAX = 1_024
/** Tokens of one invitation. */
export const INVITATION_TOKENS_MAX = 10_000
/** Changes that share one commit. */
export const GROUP_DEEDS_MAX = 64
/** Changes that wait for the disk; beyond: `BUSY`. */
export const WAITING_DEEDS_MAX = 4_096
/** Queues whose index is kept in memory, at most 6 KB each. */
export const CACHED_QUEUES_MAX = 2_048
/** Answers to puzzles that are checked or wait for it: 16 MiB and 30 ms each; beyond: `BUSY`. */
export const WAITING_WORKS_MAX = 32
