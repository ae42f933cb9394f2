/**
 * Private sites: whoever was given a link comes in by it once and is known by a cookie from then on.
 *
 * A visitor's browser has another destination than their identity, and a new one when it likes, so a destination
 * cannot say "this is ann". A link that only ann was given can.
 *
 * @module
 */
import { createHmac, randomBytes } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  answerWithPage,
  endWithPage,
  faultPage,
  type StreamAnswers,
} from "allium/plugin"

/** Somebody who has a link of their own. */
export interface Guest {
  /** What the owner calls them; never sent. */
  readonly name: string
  /** 22 characters of base64url: 128 bits. */
  readonly secret: string
  /** Key of the contact who was sent the link, base64url; they may be renamed. */
  readonly contact?: string | undefined
  /** Of an encrypted site: finds it in the network. */
  readonly readerKey?: string | undefined
}

/** The lock of a private site. */
export interface Lock {
  readonly answers: StreamAnswers
  /** Changes who comes in; connections of those who are no guests any more end at once. */
  setGuests(guests: readonly Guest[]): void
}

/** Name of the cookie; the program behind a site never sees it. */
export const DOOR_COOKIE = "allium-door"
/** Where links lead: `/.allium/SECRET`. No site has files there, for names with a dot are never served. */
const DOOR_PATH = "/.allium/"
/** A browser keeps the cookie for so long: 400 days, the longest that browsers allow. */
const COOKIE_S = 400 * 86_400

/** A new guest. @param contact - Key of the contact they are. */
export function newGuest(name: string, contact?: string): Guest {
  const secret = randomBytes(16).toString("base64url")
  return { name, secret, ...(contact !== undefined && { contact }) }
}

/** The link for a guest. */
export function guestLink(site: string, { secret, readerKey }: Guest): string {
  return `http://${readerKey === undefined ? "" : `${readerKey}.`}${site}${DOOR_PATH}${secret}`
}

/** Lets in who has a cookie, gives one to who has a link, and tells everybody else nothing. */
export function openLock(inside: StreamAnswers, guests: readonly Guest[], key: Uint8Array): Lock {
  const hash = (text: string) => createHmac("sha256", key).update(text).digest("base64url")
  /** By hash, so that how long a look-up takes tells nothing of a secret. */
  const secrets = new Map<string, string>()
  /** Connections that stand, by hash of the cookie they came in with. */
  const cookies = new Map<string, Set<Duplex>>()

  const setGuests = (now: readonly Guest[]): void => {
    secrets.clear()
    for (const { secret } of now) secrets.set(hash(secret), hash(`cookie ${secret}`))
    const kept = new Set([...secrets.values()].map(hash))
    for (const [cookie, connections] of cookies)
      if (!kept.has(cookie)) {
        cookies.delete(cookie)
        for (const connection of connections) connection.destroy()
      }
    for (const cookie of kept) if (!cookies.has(cookie)) cookies.set(cookie, new Set())
  }
  setGuests(guests)

  const isIn = ({ headers }: IncomingMessage, connection: Duplex): boolean => {
    const hashes = cookieValues(headers.cookie).map(hash)
    const connections = hashes.map((one) => cookies.get(one)).find((one) => one !== undefined)
    if (connections === undefined) return false
    if (!connections.has(connection)) connection.once("close", () => connections.delete(connection))
    connections.add(connection)
    return true
  }

  const enter = (secret: string, request: IncomingMessage, response: ServerResponse): boolean => {
    const cookie = secrets.get(hash(secret))
    if (cookie === undefined || (request.method !== "GET" && request.method !== "HEAD"))
      return false
    const attributes = `Path=/; Max-Age=${COOKIE_S}; HttpOnly; SameSite=Lax`
    response.sendDate = false
    response.writeHead(303, {
      ...{ Location: "/", "Set-Cookie": `${DOOR_COOKIE}=${cookie}; ${attributes}` },
      ...{ "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Content-Length": 0 },
    })
    response.end()
    return true
  }

  const { upgrade } = inside
  const answers: StreamAnswers = {
    async request(request, response, visitor) {
      const path = request.url ?? ""
      const isDoor = path.startsWith(DOOR_PATH)
      if (isDoor && enter(path.slice(DOOR_PATH.length), request, response)) return
      if (!isDoor && isIn(request, request.socket))
        return inside.request(request, response, visitor)
      if (!request.complete) response.shouldKeepAlive = false
      answerWithPage({ request, response }, locked())
    },
    ...(upgrade !== undefined && {
      async upgrade(request, connection, head, visitor) {
        if (isIn(request, connection))
          await upgrade.call(inside, request, connection, head, visitor)
        else endWithPage(connection, faultPage(locked(), request.headers.accept))
      },
    }),
  }
  return { answers, setGuests }
}

function cookieValues(field: string | undefined): string[] {
  return (field ?? "")
    .split(";")
    .map((one) => one.trim())
    .filter((one) => one.startsWith(`${DOOR_COOKIE}=`))
    .map((one) => one.slice(DOOR_COOKIE.length + 1))
}

function locked(): AlliumError {
  const message = "Cannot show this: the site is private, expected the link that you were given"
  return new AlliumError("ACCESS_DENIED", message)
}
