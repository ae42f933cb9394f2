/**
 * Contacts: whom an identity knows, and what may be exchanged with them.
 *
 * @module
 */

/**
 * `requested`: we asked, no answer yet. `asking`: they ask, we have not answered. `accepted`: both agreed.
 * `refused`: they said no. `blocked`: we want to hear nothing. Removed contacts are gone altogether.
 */
export type ContactState = "requested" | "asking" | "accepted" | "refused" | "blocked"

/** One contact of one identity. */
export interface Contact {
  /** Chosen by the user; unique within the identity. */
  readonly name: string
  /** Their identity's Ed25519 public key, base64url, 43 characters. */
  readonly key: string
  /** Where their identity is reached: `.b32.i2p` name of their destination. */
  readonly address: string
  readonly state: ContactState
  /** The user has compared the 60 digits. */
  readonly verified: boolean
  /** Their words when they asked; may be empty. Untrusted text. */
  readonly greeting: string
  /** Milliseconds since 1970. */
  readonly since: number
}
