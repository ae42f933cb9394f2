/**
 * Who may knock at the local API. A web page the user happens to look at can send requests to
 * loopback too: by its own name (DNS rebinding), across origins, or as a form.
 *
 * The order is fixed: Host 421, Origin 403, Sec-Fetch-Site 403, content type 415, token 401. There
 * are no CORS headers at all.
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { AlliumError } from "../base/errors.ts"
import type { TokenGuard } from "./token.ts"

/** One way in. */
export interface Door {
  /** Values of `Host` that mean us, port included. */
  readonly hosts: readonly string[]
  /** Whether pages of our own origin may call. */
  readonly pages: boolean
  /** Absent where file permissions decide already. */
  readonly guard?: TokenGuard
}

/** The Unix socket: only its owner can open it. */
export const SOCKET_DOOR: Door = { hosts: ["allium", "localhost"], pages: false }

/** Loopback, for browsers and scripts that cannot open a Unix socket. */
export function loopbackDoor(port: number, guard: TokenGuard): Door {
  return { hosts: [`127.0.0.1:${port}`, `localhost:${port}`], pages: true, guard }
}

/**
 * @throws {AlliumError} `WRONG_HOST`, `WRONG_ORIGIN`, `NOT_JSON`, `UNAUTHORIZED`, `TOO_MANY_ATTEMPTS`.
 */
export function checkCaller(request: IncomingMessage, door: Door): void {
  const host = checkHost(request, door)
  checkOrigin(request.headers, door, host)
  if (request.method !== "GET") checkContent(request.headers)
  door.guard?.check(request.headers.authorization)
}

function checkHost({ headersDistinct }: IncomingMessage, door: Door): string {
  const [host, ...more] = headersDistinct.host ?? []
  if (host !== undefined && more.length === 0 && door.hosts.includes(host.toLowerCase()))
    return host.toLowerCase()
  throw new AlliumError("WRONG_HOST", "Cannot answer: the request is meant for another host")
}

function checkOrigin(headers: IncomingHttpHeaders, door: Door, host: string): void {
  const { origin } = headers
  const site = headers["sec-fetch-site"]
  const ownPage = door.pages && origin === `http://${host}`
  if (
    (origin === undefined || ownPage) &&
    [undefined, "same-origin", "none"].includes(site?.toString())
  )
    return
  throw new AlliumError("WRONG_ORIGIN", "Cannot answer: the request comes from another web page")
}

/** A form cannot send this type, and a script of another origin must ask first, and is refused. */
function checkContent(headers: IncomingHttpHeaders): void {
  const isJson = /^application\/json(?:; *charset="?utf-8"?)?$/i.test(headers["content-type"] ?? "")
  if (isJson && (headers["content-encoding"] ?? "identity") === "identity") return
  throw new AlliumError("NOT_JSON", "Cannot read request: body is not application/json")
}
