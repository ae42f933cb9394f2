/**
 * Who may use the proxy: user names with passwords, when a file of them is given.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 * @module
 */
import { AlliumError, type Credentials, openUserFile, readUserLine } from "allium/tunnel"

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
 * The users of a file, see {@linkcode openUserFile}.
 *
 * @throws {AlliumError} `BAD_INPUT` when it cannot be read, or others can.
 */
export async function openUsers(path: string): Promise<Users> {
  const isUser = await openUserFile(path)
  return {
    admit(authorization) {
      const given = readBasic(authorization)
      if (given === undefined || !isUser(given)) throw notAdmitted()
      return given.user
    },
  }
}

function readBasic(value: string | undefined): Credentials | undefined {
  const [, base64 = ""] = /^basic +([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(value ?? "") ?? []
  return readUserLine(Buffer.from(base64, "base64").toString("utf8"))
}

function notAdmitted(): AlliumError {
  const message = "Cannot use proxy: the user name or password is missing or wrong"
  return new AlliumError("PROXY_AUTH_NEEDED", message)
}
