/**
 * An `http.Agent` whose connections come from a dial function, each kept for several requests.
 *
 * @module
 */
import { Agent, type ClientRequest, type ClientRequestArgs } from "node:http"
import type { Duplex } from "node:stream"

/** Opens a connection to `host`; what it returns belongs to the agent. */
export type DialForHttp = (to: { host: string; port: number }) => Promise<Duplex>

/** Bounds of a {@linkcode StreamAgent}. */
export interface StreamAgentOptions {
  /** Connections to one host at a time; more requests wait in line. */
  readonly perHostMax: number
  /** Connections to all hosts. */
  readonly totalMax: number
  /** How long an unused connection is kept: less than servers do, so that we are the ones who close. */
  readonly keepMs: number
}

/** Called by {@linkcode Agent} with the connection, or with what went wrong. */
type Created = (error: Error | null | undefined, connection?: Duplex) => void

/** What {@linkcode Agent} has beyond its types. */
interface AgentInside {
  totalSocketCount: number
  readonly sockets: Record<string, object[] | undefined>
  readonly freeSockets: Record<string, object[] | undefined>
  readonly requests: Record<string, WaitingRequest[] | undefined>
  getName(to: ClientRequestArgs): string
  createSocket(request: WaitingRequest, to: ClientRequestArgs, created: Created): void
  removeSocket(connection: object, to: ClientRequestArgs): void
}

/** A request in line; it hears of a failure through `onSocket` alone. */
type WaitingRequest = Omit<ClientRequest, "onSocket"> & {
  onSocket(connection: undefined, error: Error): void
}

const { createSocket, removeSocket } = Agent.prototype as unknown as AgentInside

/** Stands among the connections of a host while one is opened, so that it counts. */
class Place {
  readonly writable = false
  isGivenUp = false

  destroy(): void {
    this.isGivenUp = true
  }
}

/**
 * Keeps connections by host and port. A connection on which bytes arrive unasked is destroyed. One that is being
 * opened counts as well; when none can be opened and none is left, all who wait for that host are told.
 */
export class StreamAgent extends Agent {
  readonly #dial: DialForHttp

  constructor(dial: DialForHttp, options: StreamAgentOptions) {
    super({
      keepAlive: true,
      maxSockets: options.perHostMax,
      maxTotalSockets: options.totalMax,
      maxFreeSockets: options.perHostMax,
      timeout: options.keepMs,
      scheduling: "lifo",
    })
    this.#dial = dial
  }

  /** Called by `node:http` for a request that comes, or for one of those in line: then any of them may get it. */
  createSocket(request: WaitingRequest, to: ClientRequestArgs, created: Created): void {
    const inside = this as unknown as AgentInside
    const name = inside.getName(to)
    const isInLine = inside.requests[name]?.includes(request) === true
    const place = takePlace(inside, name)
    createSocket.call(inside, request, to, (error, connection) => {
      leavePlace(inside, name, place)
      if (error === null || error === undefined) {
        if (place.isGivenUp) connection?.destroy()
        return created(null, connection)
      }
      if (!isInLine) created(error)
      tellWaiting(inside, name, error)
      if (inside.requests[name] === undefined) removeSocket.call(inside, place, to)
    })
  }

  override createConnection(to: ClientRequestArgs, created: Created): undefined {
    this.#dial({ host: String(to.host), port: Number(to.port) }).then(
      (connection) => {
        connection.on("error", () => {}) // the request it serves is told; between two, nobody listens
        created(null, connection)
      },
      (error: Error) => created(error),
    )
  }

  /** `node:http` asks whether a connection may be kept; the types hide that it may say no. */
  override keepSocketAlive(connection: Duplex): boolean {
    if (connection.readableLength > 0) return false
    connection.on("data", destroyUnasked)
    return super.keepSocketAlive(connection) as unknown as boolean
  }

  override reuseSocket(connection: Duplex, request: ClientRequest): void {
    connection.off("data", destroyUnasked)
    super.reuseSocket(connection, request)
  }
}

function takePlace(inside: AgentInside, name: string): Place {
  const place = new Place()
  inside.sockets[name] = [...(inside.sockets[name] ?? []), place]
  inside.totalSocketCount += 1
  return place
}

function leavePlace(inside: AgentInside, name: string, place: Place): void {
  inside.totalSocketCount -= 1
  const left = inside.sockets[name]?.filter((one) => one !== place) ?? []
  if (left.length > 0) inside.sockets[name] = left
  else delete inside.sockets[name]
}

/** While others are open, or being opened, they serve who waits. */
function tellWaiting(inside: AgentInside, name: string, error: Error): void {
  if (inside.sockets[name] !== undefined || inside.freeSockets[name] !== undefined) return
  const waiting = inside.requests[name] ?? []
  delete inside.requests[name]
  for (const request of waiting) request.onSocket(undefined, error)
}

function destroyUnasked(this: Duplex): void {
  this.destroy()
}
