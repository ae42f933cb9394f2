/**
 * Who may use the proxy: user names with passwords, when a file of them is given.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 * @module
 */
import { type Clock, type Credentials, openUserFile, readUserLine } from "allium/tunnel"

/** Lets in, or not. */
export interface ProxyUsers {
  /**
   * The user name a request gives; `undefined` when it gives none and none is needed.
   *
   * @param authorization - Value of `Proxy-Authorization`.
   * @param from - IP address of the program.
   * @throws {AlliumError} `PROXY_AUTH_NEEDED`, `TOO_MANY_REQUESTS`.
   */
  admit(authorization: string | undefined, from: string): string | undefined
}

/** Lets everybody in, under whatever name they give. */
export const anybody: ProxyUsers = {
  admit: (authorization) => readBasic(authorization)?.user,
}

/**
 * The users of a file, see {@linkcode openUserFile}.
 *
 * @throws {AlliumError} `BAD_INPUT` when it cannot be read, or others can.
 */
export async function openUsers(path: string, clock: Clock): Promise<ProxyUsers> {
  const users = await openUserFile(path, clock)
  return {
    admit(authorization, from) {
      const given = readBasic(authorization)
      const refusal = users.refusal(given, from)
      if (refusal !== undefined) throw refusal
      return given?.user
    },
  }
}

function readBasic(value: string | undefined): Credentials | undefined {
  const [, base64 = ""] = /^basic +([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(value ?? "") ?? []
  return readUserLine(Buffer.from(base64, "base64").toString("utf8"))
}
