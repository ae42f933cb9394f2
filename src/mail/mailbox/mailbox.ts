/**
 * What a mailbox does, whoever runs it: a tower, an identity that is online, or a client that speaks to one of them.
 *
 * A queue has two ids, 32 random bytes each, and an id is a right: who has the send id may put, who has the receive id may
 * read and delete. A tower keeps only their hashes.
 *
 * @see docs/protocol/mailbox.md
 * @module
 */

/** Bytes of a send id, a receive id or a blob id. */
export const QUEUE_ID_BYTES = 32
/** Bytes that name an envelope for its mailbox, so that putting it twice keeps it once; random. */
export const ENVELOPE_ID_BYTES = 16
/** Bytes of a blind token: epoch of the tower's key (4, big-endian), input (32), output (64). */
export const TOKEN_BYTES = 100
/** Bytes of a nonce that answers a door's puzzle: the first 4 of the challenge, then 8 that were found. */
export const WORK_NONCE_BYTES = 12

/** `queue`: for one correspondent. `door`: for strangers, who pay a toll and find a greeting there. */
export type QueueKind = "queue" | "door"

/** The rights to a new queue. */
export interface NewQueue {
  readonly receiveId: Uint8Array
  readonly sendId: Uint8Array
  /** When the queue ends unless its owner asks for it before, in seconds since 1970. */
  readonly expiresS: number
}

/** What a stranger pays to put into a door. */
export type Toll =
  /** Answer to the door's puzzle, 12 bytes, for this envelope's id alone: docs/protocol/mailbox.md, "Work". */
  | { readonly kind: "work"; readonly nonce: Uint8Array }
  /** A ticket that the door's owner gave to a mutual contact, 32 bytes; good once. */
  | { readonly kind: "introduction"; readonly ticket: Uint8Array }

/** What became of an envelope; `ok` and `duplicate`: it is on their disk. */
export type PutAnswer =
  | { readonly kind: "ok" }
  | { readonly kind: "duplicate" }
  /** The queue has no room until its owner takes something out. */
  | { readonly kind: "full" }
  /** There is no such queue (any more); `moved` is what its owner left there, sealed for who may put. */
  | { readonly kind: "gone"; readonly moved?: Uint8Array }
  /** This door wants a toll: find a nonce. `challenge`: 32 bytes; `difficulty`: leading zero bits. */
  | { readonly kind: "toll"; readonly challenge: Uint8Array; readonly difficulty: number }

/** An envelope in a queue. */
export interface StoredEnvelope {
  /** Place in its queue, from 1; grows, with gaps. */
  readonly number: number
  readonly envelope: Uint8Array
}

/** The tower's key for tokens of one epoch. */
export interface TokenKey {
  /** Grows by one with each new key; tokens of this and the one before are good. */
  readonly epoch: number
  /** 32 bytes: an element of ristretto255. */
  readonly publicKey: Uint8Array
}

/** Blinded tokens, signed. */
export interface IssuedTokens extends TokenKey {
  /** In the order of asking, 32 bytes each. */
  readonly evaluated: readonly Uint8Array[]
  /** 64 bytes: all of them were signed with `publicKey`. */
  readonly proof: Uint8Array
}

/** Calls end with `signal`. */
export interface MailCall {
  readonly signal: AbortSignal
}

/**
 * See the module. Errors of every call: `MAILBOX_REFUSED` when this mailbox does not do that, `NO_QUEUE` when no queue or
 * blob has that id (for its owner), `BAD_TOKEN`, `MAILBOX_FULL`, and what the way there says.
 */
export interface Mailbox {
  /** NEW. @param wish.token - A blind token of this tower, unless the mailbox is our own. */
  make(
    wish: { readonly kind: QueueKind; readonly token?: Uint8Array },
    call: MailCall,
  ): Promise<NewQueue>
  /** PUT. */
  put(
    item: {
      readonly sendId: Uint8Array
      readonly id: Uint8Array
      readonly envelope: Uint8Array
      readonly toll?: Toll
    },
    call: MailCall,
  ): Promise<PutAnswer>
  /** GET: the oldest envelopes after number `after`, at most `limit` (1 to 64). */
  get(
    receiveId: Uint8Array,
    range: { readonly after: number; readonly limit: number },
    call: MailCall,
  ): Promise<StoredEnvelope[]>
  /** SUB: envelopes after number `after`, those there are and those to come, until the signal aborts. */
  subscribe(
    receiveId: Uint8Array,
    range: { readonly after: number },
    call: MailCall,
  ): AsyncIterable<StoredEnvelope>
  /** ACK: deletes everything up to and with number `upTo`. */
  acknowledge(receiveId: Uint8Array, upTo: number, call: MailCall): Promise<void>
  /** DEL: the queue ends with all that is in it. */
  remove(receiveId: Uint8Array, call: MailCall): Promise<void>
  /** MOVE: from now on whoever puts hears GONE and gets `sealed` (at most 1,024 bytes), for 30 days. What is there can still be got. */
  move(receiveId: Uint8Array, sealed: Uint8Array, call: MailCall): Promise<void>
  /** Leaves a greeting (card and bundle, at most 8 KiB) at a door, in place of the one before. */
  setGreeting(receiveId: Uint8Array, greeting: Uint8Array, call: MailCall): Promise<void>
  /** The greeting at a door; `undefined` when there is none or no such door. */
  greeting(sendId: Uint8Array, call: MailCall): Promise<Uint8Array | undefined>
  /**
   * BLOB PUT: keeps bytes (at most 16 MiB, ciphertext) in place of those before. `id` is what readers need; `writeKey` (32
   * bytes) is fixed at the first put, and later puts must know it.
   */
  putBlob(
    blob: {
      readonly id: Uint8Array
      readonly writeKey: Uint8Array
      readonly bytes: Uint8Array
      readonly token?: Uint8Array
    },
    call: MailCall,
  ): Promise<void>
  /** BLOB GET; `undefined` when there is none. */
  getBlob(id: Uint8Array, call: MailCall): Promise<Uint8Array | undefined>
  /** Signs blinded tokens (1 to 64 of 32 bytes) for a friend who shows the tower's `invitation`. */
  issueTokens(
    wish: { readonly invitation: Uint8Array; readonly blinded: readonly Uint8Array[] },
    call: MailCall,
  ): Promise<IssuedTokens>
  /** The key tokens are signed with now: whoever asks hears the same. */
  tokenKey(call: MailCall): Promise<TokenKey>
  /** Lets whoever shows the ticket with this SHA-256 hash (32 bytes) put once into a door; at most 64 wait. */
  addTicket(receiveId: Uint8Array, ticketHash: Uint8Array, call: MailCall): Promise<void>
}
