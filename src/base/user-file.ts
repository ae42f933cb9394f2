/**
 * User names with passwords, from a file of the user's own.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { open } from "node:fs/promises"
import { Buckets } from "./access/buckets.ts"
import type { Clock } from "./clock.ts"
import { AlliumError } from "./errors.ts"

const USERS_MAX = 1_000
const USER_FILE_BYTES_MAX = 256 * 1024
/** From one address for one user name; one more every six seconds. */
const WRONG_PASSWORDS = { count: 10, seconds: 60 }
/** Others on this machine must not read it, nor change it. */
const OTHERS = 0o077

/** What somebody says who they are. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** The users of one file. */
export interface Users {
  /**
   * Why somebody stays out, in a time that does not tell which user they are; nothing when they are one.
   *
   * @param from - IP address they ask from.
   * @returns `PROXY_AUTH_NEEDED`; `TOO_MANY_REQUESTS` when that address tried too many wrong passwords for that name,
   * whatever the password is now. Other addresses and other names do not feel it.
   */
  refusal(given: Credentials | undefined, from: string): AlliumError | undefined
}

/**
 * The users of a file: lines of `user:password`; lines that begin with `#` say nothing. Read
 * once; passwords are not kept, only their keyed hashes.
 *
 * @throws {AlliumError} `BAD_INPUT` when it cannot be read, or others can.
 */
export async function openUserFile(
  path: string,
  clock: Pick<Clock, "monotonicMs">,
): Promise<Users> {
  const key = randomBytes(32)
  const digest = (...words: string[]) => createHmac("sha256", key).update(words.join("\0")).digest()
  const known = (await readUsers(path)).map(({ user, password }) => digest(user, password))
  const isUser = ({ user, password }: Credentials) => {
    const own = digest(user, password)
    return known.filter((one) => timingSafeEqual(one, own)).length > 0 // all are compared, always
  }
  const wrong = new Buckets(WRONG_PASSWORDS)
  return {
    refusal(given, from) {
      if (given === undefined) return notAdmitted()
      const [guesser, nowMs] = [digest(from, given.user).toString("base64"), clock.monotonicMs()]
      if (wrong.waitMs(guesser, nowMs) > 0) return tooManyWrong()
      if (isUser(given)) return undefined
      wrong.charge(guesser, nowMs)
      return notAdmitted()
    },
  }
}

/** `user:password`; the first colon counts. */
export function readUserLine(text: string): Credentials | undefined {
  const colon = text.indexOf(":")
  if (colon < 1) return undefined
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

async function readUsers(path: string): Promise<Credentials[]> {
  const lines = (await readPrivately(path)).split(/\r?\n/)
  const wanted = lines.filter((line) => line.trim() !== "" && !line.startsWith("#"))
  const users = wanted.map(readUserLine)
  if (users.length === 0 || users.length > USERS_MAX || users.includes(undefined))
    throw unusable(`expected 1 to ${USERS_MAX} lines of user:password`)
  return users.filter((one) => one !== undefined)
}

async function readPrivately(path: string): Promise<string> {
  try {
    await using file = await open(path, "r")
    const { mode, size } = await file.stat()
    if (process.platform !== "win32" && (mode & OTHERS) !== 0)
      throw unusable("others may read it, expected mode 0600")
    if (size > USER_FILE_BYTES_MAX) throw unusable("it is too large, expected up to 256 KiB")
    return await file.readFile("utf8")
  } catch (error) {
    if (error instanceof AlliumError) throw error
    throw unusable(`the system says ${(error as NodeJS.ErrnoException).code}`)
  }
}

function unusable(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot use the file of users: ${found}`)
}

function notAdmitted(): AlliumError {
  const message = "Cannot use proxy: the user name or password is missing or wrong"
  return new AlliumError("PROXY_AUTH_NEEDED", message)
}

function tooManyWrong(): AlliumError {
  const message = "Cannot use proxy: too many wrong passwords for this user name"
  return new AlliumError("TOO_MANY_REQUESTS", message)
}
