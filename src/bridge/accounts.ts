/**
 * Who may use the bridge: USER and PASSWORD of HELLO, and the AUTH command.
 *
 * @see https://geti2p.net/en/docs/api/samv3#authorization
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto"

/** Users AUTH ADD may make. */
const USERS_MAX = 256

/** Names and passwords; passwords are kept as hashes. */
export class Accounts {
  readonly #users = new Map<string, Buffer>()
  /** Whether HELLO must carry a user. */
  needed: boolean

  /** @param users - Passwords by name; with any, authorization is on. */
  constructor(users: ReadonlyMap<string, string> = new Map()) {
    for (const [user, password] of users) this.add(user, password)
    this.needed = users.size > 0
  }

  /** False when the user is there already or there are too many. */
  add(user: string, password: string): boolean {
    if (this.#users.has(user) || this.#users.size >= USERS_MAX) return false
    this.#users.set(user, digest(password))
    return true
  }

  /** False when there is no such user. */
  remove(user: string): boolean {
    return this.#users.delete(user)
  }

  /** True when HELLO may pass. */
  admits(user: string | undefined, password: string | undefined): boolean {
    if (!this.needed) return true
    const wanted = this.#users.get(user ?? "")
    return wanted !== undefined && timingSafeEqual(wanted, digest(password ?? ""))
  }
}

function digest(password: string): Buffer {
  return createHash("sha256").update(password).digest()
}
