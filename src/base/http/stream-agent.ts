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
type Created = (error: Error | null, connection?: Duplex) => void

/** Keeps connections by host and port. A connection on which bytes arrive unasked is destroyed. */
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

function destroyUnasked(this: Duplex): void {
  this.destroy()
}
