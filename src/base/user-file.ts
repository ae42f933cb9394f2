/**
 * User names with passwords, from a file of the user's own.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { open } from "node:fs/promises"
import { AlliumError } from "./errors.ts"

const USERS_MAX = 1_000
const USER_FILE_BYTES_MAX = 256 * 1024
/** Others on this machine must not read it, nor change it. */
const OTHERS = 0o077

/** What somebody says who they are. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/**
 * The users of a file: lines of `user:password`; lines that begin with `#` say nothing. Read
 * once; passwords are not kept, only their keyed hashes.
 *
 * @returns Whether somebody is one of them, in a time that does not tell which.
 * @throws {AlliumError} `BAD_INPUT` when it cannot be read, or others can.
 */
export async function openUserFile(path: string): Promise<(given: Credentials) => boolean> {
  const key = randomBytes(32)
  const digest = ({ user, password }: Credentials) =>
    createHmac("sha256", key).update(`${user}\0${password}`).digest()
  const known = (await readUsers(path)).map(digest)
  return (given) => {
    const own = digest(given)
    return known.filter((one) => timingSafeEqual(one, own)).length > 0 // all are compared, always
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
