/**
 * Who may use the proxy: user names with passwords, when a file of them is given.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { open } from "node:fs/promises"
import { AlliumError } from "allium/tunnel"

const USERS_MAX = 1_000
const USER_FILE_BYTES_MAX = 256 * 1024
/** Others on this machine must not read it, nor change it. */
const OTHERS = 0o077

/** Lets in, or not. */
export interface Users {
  /**
   * The user name a request gives; `undefined` when it gives none and none is needed.
   *
   * @param authorization - Value of `Proxy-Authorization`.
   * @throws {AlliumError} `PROXY_AUTH_NEEDED`.
   */
  admit(authorization: string | undefined): string | undefined
}

/** Lets everybody in, under whatever name they give. */
export const anybody: Users = {
  admit: (authorization) => readBasic(authorization)?.user,
}

/**
 * The users of a file: lines of `user:password`; lines that begin with `#` say nothing. Read
 * once; passwords are not kept, only their keyed hashes.
 *
 * @throws {AlliumError} `BAD_INPUT` when it cannot be read, or others can.
 */
export async function openUsers(path: string): Promise<Users> {
  const key = randomBytes(32)
  const digest = (user: string, password: string) =>
    createHmac("sha256", key).update(`${user}\0${password}`).digest()
  const known = (await readUsers(path)).map(({ user, password }) => digest(user, password))
  return {
    admit(authorization) {
      const given = readBasic(authorization)
      if (given === undefined) throw notAdmitted()
      const own = digest(given.user, given.password)
      const matches = known.filter((one) => timingSafeEqual(one, own)) // all are compared, always
      if (matches.length === 0) throw notAdmitted()
      return given.user
    },
  }
}

interface Credentials {
  readonly user: string
  readonly password: string
}

function readBasic(value: string | undefined): Credentials | undefined {
  const [, base64 = ""] = /^basic +([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(value ?? "") ?? []
  return readPair(Buffer.from(base64, "base64").toString("utf8"))
}

function readPair(text: string): Credentials | undefined {
  const colon = text.indexOf(":")
  if (colon < 1) return undefined
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

async function readUsers(path: string): Promise<Credentials[]> {
  const lines = (await readPrivately(path)).split(/\r?\n/)
  const wanted = lines.filter((line) => line.trim() !== "" && !line.startsWith("#"))
  const users = wanted.map(readPair)
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
