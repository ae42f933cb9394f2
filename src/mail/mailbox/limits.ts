/**
 * Every limit of the mailbox protocol, with its reason. `docs/limits.md` repeats them.
 *
 * @module
 */

/** What an owner leaves when the queue moves: a sealed place. */
export const MOVED_BYTES_MAX = 1_024
/** A greeting: card and bundle. */
export const GREETING_BYTES_MAX = 8_192
/** A blob: a backup. */
export const BLOB_BYTES_MAX = 16_777_216
/** Envelopes of one GET. */
export const GET_ENVELOPES_MAX = 64
/** Tokens signed at once: about 1.4 ms of the tower's time each. */
export const ISSUE_TOKENS_MAX = 64

/** Requests of one channel that are not answered yet, subscriptions aside. */
export const REQUESTS_MAX = 64
/** Calls of a client that wait for one of those; beyond: `BUSY`. */
export const WAITING_CALLS_MAX = 4_096
/** Subscriptions of one channel: one for each correspondent of one identity. */
export const SUBSCRIPTIONS_MAX = 4_096
/** Envelopes that may be on their way to a subscriber who has not asked for more. */
export const CREDIT_FIRST = 4
/** The same, when the subscriber keeps up. */
export const CREDIT_MAX = 64
/** Credit beyond the first of all subscriptions of one client: 16 MiB that could be unread. */
export const CREDIT_POOL_MAX = 4_096
/** Bytes of blobs on their way in, over all channels that share one budget. */
export const UPLOAD_BUDGET_BYTES = 67_108_864
/** How long one blob may take to come in. */
export const UPLOAD_MS = 900_000
