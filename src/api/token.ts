/**
 * The token of the loopback door: made once, compared without telling by time, guarded from guessing.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { readFileIfThere, writeFileDurably } from "../base/files.ts"
import type { RandomBytes } from "../base/random.ts"

/** Wrong tokens that are answered at once; from then on each doubles the wait. */
const FREE_ATTEMPTS = 10
/** Longest wait: guessing 256 bits is hopeless anyway, and the owner must get back in. */
const WAIT_MS_MAX = 60_000

/** Text of a token: 32 random bytes in base64url, 43 characters. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/

/**
 * The token in the file at `path`; a new one is written there (mode 0600) when there is none or it
 * is damaged.
 */
export async function openToken(path: string, random: RandomBytes): Promise<string> {
  const kept = Buffer.from((await readFileIfThere(path)) ?? [])
    .toString("utf8")
    .trim()
  if (TOKEN.test(kept)) return kept
  const token = Buffer.from(random(32)).toString("base64url")
  await writeFileDurably(path, Buffer.from(`${token}\n`), 0o600)
  return token
}

/** Lets in who knows the token. */
export class TokenGuard {
  readonly #digest: Uint8Array
  readonly #clock: Pick<Clock, "monotonicMs">
  #wrong = 0
  #closedUntilMs = 0

  constructor(token: string, clock: Pick<Clock, "monotonicMs">) {
    this.#digest = digestOf(token)
    this.#clock = clock
  }

  /**
   * @param header - `Authorization` as it came.
   * @throws {AlliumError} `UNAUTHORIZED`; `TOO_MANY_ATTEMPTS`, for the right token too, for a time
   * that doubles with each wrong one.
   */
  check(header: string | undefined): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#closedUntilMs)
      throw new AlliumError("TOO_MANY_ATTEMPTS", "Cannot let you in: too many wrong tokens came")
    if (this.#isRight(header)) this.#wrong = 0
    else throw this.#refuse(nowMs, header === undefined ? "no token came" : "the token is wrong")
  }

  #isRight(header: string | undefined): boolean {
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? "")?.[1]
    return token !== undefined && timingSafeEqual(digestOf(token), this.#digest)
  }

  #refuse(nowMs: number, found: string): AlliumError {
    const beyond = ++this.#wrong - FREE_ATTEMPTS
    if (beyond >= 0)
      this.#closedUntilMs = nowMs + Math.min(WAIT_MS_MAX, 1_000 * 2 ** Math.min(beyond, 30))
    return new AlliumError("UNAUTHORIZED", `Cannot let you in: ${found}`)
  }
}

function digestOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest()
}
