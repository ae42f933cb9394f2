/**
 * Takes the streams of a destination and leads each to an IRC server of this machine, which is told who it is.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import {
  AlliumError,
  type Backend,
  connectBackend,
  filterLines,
  type Gate,
  Meter,
  type OpenTunnel,
  openGate,
  type SamStream,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
  uniqueLocalFor,
} from "allium/tunnel"
import { readRegistration } from "./read-registration.ts"
import { filterClient, webircLine } from "./registration.ts"

/** What {@linkcode openIrcServer} needs. */
export interface IrcServerSettings {
  readonly backend: Backend
  /** With which the server believes us; without it, the host in USER is all we can say. */
  readonly webircPassword: string | undefined
  readonly access: Parameters<typeof openGate>[0]
  readonly lingerMs: number
  readonly spoolBytesMax: number
}

/** Opens the session with its own lasting keys; streams are taken as soon as it is up. */
export async function openIrcServer(
  context: TunnelContext,
  settings: IrcServerSettings,
): Promise<OpenTunnel> {
  await using opening = new Scope()
  const gate = await openGate(settings.access, { ...context, signal: opening.signal })
  const session = await context.session({ keys: "persistent" })
  const scope = opening.move()
  const server = new IrcServer(context, settings, gate, scope.signal)
  void server.takeStreams(session.incoming)
  return {
    address: session.destination.b32,
    counters: () => server.counters.read(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

class IrcServer {
  readonly counters: Meter
  readonly #context: TunnelContext
  readonly #settings: IrcServerSettings
  readonly #gate: Gate
  readonly #signal: AbortSignal
  readonly #place: SpoolPlace

  constructor(
    context: TunnelContext,
    settings: IrcServerSettings,
    gate: Gate,
    signal: AbortSignal,
  ) {
    this.counters = new Meter(["dropped"], context.clock)
    this.#context = context
    this.#settings = settings
    this.#gate = gate
    this.#signal = signal
    this.#place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  }

  async takeStreams(incoming: AsyncIterable<SamStream>): Promise<void> {
    try {
      for await (const stream of incoming) this.#take(stream)
    } catch (error) {
      this.#context.log.error("accept.failed", { code: this.counters.fail(error) })
    }
  }

  /** Nobody is led on before it is sure that they may be. */
  #take(stream: SamStream): void {
    const { b32 } = stream.peer
    stream.on("error", () => {}) // told by the relay
    if (this.#signal.aborted || this.#gate.enter(b32) !== undefined) {
      this.counters.add("refused")
      stream.destroy()
      return
    }
    const leave = this.counters.enter()
    void this.#serve(stream).finally(() => {
      leave()
      this.#gate.leave(b32)
    })
  }

  async #serve(stream: SamStream): Promise<void> {
    const ended = new AbortController()
    const signal = AbortSignal.any([this.#signal, ended.signal])
    const firstByte = this.counters.awaitFirstByte()
    const onBytes = (bytesIn: number, bytesOut: number) => {
      if (bytesOut > 0) firstByte()
      this.counters.moved(bytesIn, bytesOut)
      if (!this.#gate.moved(stream.peer.b32, bytesIn + bytesOut)) ended.abort(usedUp())
    }
    try {
      await readRegistration(stream, this.#signal)
      const local = await this.#connect(stream.peer.b32)
      const { lingerMs } = this.#settings
      await spoolRelay(stream, local, { place: this.#place, lingerMs, signal, onBytes })
    } catch (error) {
      stream.destroy()
      if (!this.#signal.aborted)
        this.#context.log.info("connection.failed", { code: this.counters.fail(error) })
    }
  }

  /** The server hears of the client before it hears the client. */
  async #connect(b32: string): Promise<Duplex> {
    const { backend, webircPassword } = this.#settings
    const local = await connectBackend(backend, b32, this.#signal)
    const isTrusted = webircPassword !== undefined
    if (isTrusted)
      local.write(`${webircLine(webircPassword, { b32, address: uniqueLocalFor(b32) })}\r\n`)
    return filterLines(local, {
      read: (line) => line,
      write: (line) => filterClient(line, isTrusted ? undefined : b32),
      onDropped: (count) => this.counters.add("dropped", count),
    })
  }
}

function usedUp(): AlliumError {
  const message = "Cannot go on: the bytes of this hour are used up, expected fewer"
  return new AlliumError("TOO_MANY_REQUESTS", message)
}
