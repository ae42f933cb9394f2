/**
 * The way out of I2P, where the user named one: HTTP proxies of others at I2P addresses.
 *
 * @module
 */
import { request as openRequest } from "node:http"
import type { Duplex } from "node:stream"
import { AlliumError, type SamStream, StreamSocket, type StreamSocketOptions } from "allium/tunnel"
import { parseConnectTarget } from "./target.ts"

/** Where an outproxy is. */
export interface Outproxy {
  readonly host: string
  readonly port: number
}

/** Stands for all outproxies where a host is asked for; no host has this name. */
export const ANY_OUTPROXY = "*"

/**
 * Reads `name.i2p` or `name.i2p:port`; the port is 8888 unless given.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function parseOutproxy(text: string): Outproxy {
  try {
    const withPort = /:\d+$/.test(text) ? text : `${text}:8888`
    const { host, port } = parseConnectTarget(withPort, { allowOutside: false })
    return { host, port }
  } catch (cause) {
    const message = "Cannot use outproxy: expected NAME.i2p or NAME.i2p:PORT"
    throw new AlliumError("BAD_INPUT", message, { cause })
  }
}

/** Dials the outproxies in turn, beginning with the one that worked last. */
export function outproxyInTurn(
  outproxies: readonly Outproxy[],
): (dial: (to: Outproxy) => Promise<SamStream>) => Promise<SamStream> {
  let preferred = 0
  return async (dial) => {
    const failures: unknown[] = []
    for (let turn = 0; turn < outproxies.length; turn++) {
      const index = (preferred + turn) % outproxies.length
      try {
        const stream = await dial(outproxies[index]!)
        preferred = index
        return stream
      } catch (error) {
        failures.push(error)
      }
    }
    throw failures[0] ?? new AlliumError("PROXY_REFUSED", "Cannot leave I2P: there is no outproxy")
  }
}

/**
 * Asks an outproxy for a connection to `target`; what it returns carries the target's bytes.
 *
 * @param target - `example.com:443`.
 * @throws {AlliumError} `BAD_ANSWER` when it declines or is no proxy, `NO_ANSWER`.
 */
export function connectThrough(
  stream: SamStream,
  target: string,
  options: StreamSocketOptions & { answerMs: number; signal: AbortSignal },
): Promise<Duplex> {
  const connection = new StreamSocket(stream, options)
  connection.on("error", () => {}) // the request is told
  return new Promise((resolve, reject) => {
    const headers = { Host: target }
    const ask = openRequest({
      ...{ method: "CONNECT", path: target, headers, setHost: false, signal: options.signal },
      createConnection: () => connection,
    })
    const watch = setTimeout(() => ask.destroy(noAnswer()), options.answerMs).unref()
    ask.once("close", () => clearTimeout(watch))
    ask.once("connect", ({ statusCode = 0 }, _connection, head: Buffer) => {
      clearTimeout(watch)
      if (head.length > 0) connection.unshift(head)
      if (statusCode >= 200 && statusCode < 300) resolve(connection)
      else reject(declined(statusCode))
    })
    ask.once("error", (error) => reject(error instanceof AlliumError ? error : declined(0)))
    ask.end()
  }).catch((error) => {
    connection.destroy()
    throw error
  }) as Promise<Duplex>
}

function declined(status: number): AlliumError {
  const found = status === 0 ? "its answer is not valid" : `it declined with ${status}`
  return new AlliumError("BAD_ANSWER", `Cannot connect through the outproxy: ${found}`)
}

function noAnswer(): AlliumError {
  return new AlliumError("NO_ANSWER", "Cannot connect through the outproxy: it does not answer")
}
