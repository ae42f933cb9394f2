/**
 * Takes the streams of a destination and leads each to a program of this machine.
 *
 * @module
 */
import { once } from "node:events"
import {
  AlliumError,
  type Backend,
  connectBackend,
  type Gate,
  Meter,
  type OpenTunnel,
  openGate,
  type SamStream,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
} from "allium/tunnel"
import { type PortRule, ruleFor } from "./port-rules.ts"

/** A client that is to speak first, and does not. */
const SILENT_CLIENT_MS = 30_000

/** What {@linkcode openTcpServer} needs. */
export interface TcpServerSettings {
  /** The first that fits a stream's port counts; without a backend, or when none fits, the stream is closed. */
  readonly rules: readonly { port: PortRule["port"]; backend: Backend | undefined }[]
  readonly access: Parameters<typeof openGate>[0]
  readonly clientFirst: boolean
  readonly lingerMs: number
  readonly spoolBytesMax: number
}

/** Opens the session with its own lasting keys; streams are taken as soon as it is up. */
export async function openTcpServer(
  context: TunnelContext,
  settings: TcpServerSettings,
): Promise<OpenTunnel> {
  await using opening = new Scope()
  const gate = await openGate(settings.access, { ...context, signal: opening.signal })
  const session = await context.session({ keys: "persistent" })
  const scope = opening.move()
  const server = new TcpServer(context, settings, gate, scope.signal)
  void server.takeStreams(session.incoming)
  return {
    address: session.destination.b32,
    counters: () => server.counters.read(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

class TcpServer {
  readonly counters: Meter
  readonly #context: TunnelContext
  readonly #settings: TcpServerSettings
  readonly #gate: Gate
  readonly #signal: AbortSignal
  readonly #place: SpoolPlace

  constructor(
    context: TunnelContext,
    settings: TcpServerSettings,
    gate: Gate,
    signal: AbortSignal,
  ) {
    this.counters = new Meter([], context.clock)
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
    const backend = ruleFor(this.#settings.rules, stream.toPort ?? 0)?.backend
    const isOut = this.#signal.aborted || backend === undefined
    if (isOut || this.#gate.enter(b32) !== undefined) {
      this.counters.add("refused")
      stream.destroy()
      return
    }
    const leave = this.counters.enter()
    void this.#serve(stream, backend).finally(() => {
      leave()
      this.#gate.leave(b32)
    })
  }

  async #serve(stream: SamStream, backend: Backend): Promise<void> {
    const ended = new AbortController()
    const signal = AbortSignal.any([this.#signal, ended.signal])
    const firstByte = this.counters.awaitFirstByte()
    const onBytes = (bytesIn: number, bytesOut: number) => {
      if (bytesOut > 0) firstByte()
      this.counters.moved(bytesIn, bytesOut)
      if (!this.#gate.moved(stream.peer.b32, bytesIn + bytesOut)) ended.abort(usedUp())
    }
    try {
      if (this.#settings.clientFirst) await firstWord(stream, this.#signal)
      const local = await connectBackend(backend, stream.peer.b32, this.#signal)
      const { lingerMs } = this.#settings
      await spoolRelay(stream, local, { place: this.#place, lingerMs, signal, onBytes })
    } catch (error) {
      stream.destroy()
      if (!this.#signal.aborted)
        this.#context.log.info("connection.failed", { code: this.counters.fail(error) })
    }
  }
}

/** Waits until there is something to read; nothing is taken. @throws {AlliumError} `TOO_SLOW`. */
async function firstWord(stream: SamStream, signal: AbortSignal): Promise<void> {
  if (stream.readableLength > 0) return
  const patience = AbortSignal.any([signal, AbortSignal.timeout(SILENT_CLIENT_MS)])
  try {
    await once(stream, "readable", { signal: patience })
  } catch (cause) {
    throw new AlliumError("TOO_SLOW", "Cannot lead on: the client says nothing", { cause })
  }
}

function usedUp(): AlliumError {
  const message = "Cannot go on: the bytes of this hour are used up, expected fewer"
  return new AlliumError("TOO_MANY_REQUESTS", message)
}
