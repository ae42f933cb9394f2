/**
 * A destination whose streams lead to programs of this machine, each as its kind likes.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import type { Gate } from "../../base/access/gate.ts"
import { type AccessChoice, openGate } from "../../base/access/options.ts"
import { AlliumError } from "../../base/errors.ts"
import { Meter } from "../../base/meter.ts"
import { Scope } from "../../base/scope.ts"
import { SpoolPlace } from "../../base/spool.ts"
import { spoolRelay } from "../../base/spool-relay.ts"
import type { SamStream } from "../../sam/session.ts"
import type { OpenTunnel, TunnelContext } from "../tunnel.ts"

/** What {@linkcode openServerTunnel} needs; units are in the names. */
export interface ServerTunnelSettings {
  readonly access: AccessChoice
  readonly lingerMs: number
  readonly spoolBytesMax: number
}

/** Connects a stream that may come in to a program; the connection is the caller's. */
export type Lead = (host: { signal: AbortSignal; meter: Meter }) => Promise<Duplex>

/** Where streams lead. */
export interface ServerTunnelKind {
  /** Counts of its own, besides those of {@linkcode Meter}. */
  readonly counts?: readonly string[]
  /** Asked of every stream before anything else; without an answer it is refused. */
  choose(stream: SamStream): Lead | undefined
}

/**
 * Opens the session with its own lasting keys; streams are taken as soon as it is up.
 *
 * @throws {AlliumError} `BAD_FILTER`, `NOT_FOUND`, `SESSION_LIMIT`.
 */
export async function openServerTunnel(
  context: TunnelContext,
  settings: ServerTunnelSettings,
  kind: ServerTunnelKind,
): Promise<OpenTunnel> {
  await using opening = new Scope()
  const gate = await openGate(settings.access, { ...context, signal: opening.signal })
  const session = await context.session({ keys: "persistent" })
  const scope = opening.move()
  const server = new ServerTunnel({ context, settings, kind, gate, signal: scope.signal })
  void server.takeStreams(session.incoming)
  return {
    address: session.destination.b32,
    counters: () => server.meter.read(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

interface Parts {
  readonly context: TunnelContext
  readonly settings: ServerTunnelSettings
  readonly kind: ServerTunnelKind
  readonly gate: Gate
  readonly signal: AbortSignal
}

class ServerTunnel {
  readonly meter: Meter
  readonly #parts: Parts
  readonly #place: SpoolPlace

  constructor(parts: Parts) {
    const { context, settings, kind } = parts
    this.meter = new Meter(kind.counts, context.clock)
    this.#parts = parts
    this.#place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  }

  async takeStreams(incoming: AsyncIterable<SamStream>): Promise<void> {
    try {
      for await (const stream of incoming) this.#take(stream)
    } catch (error) {
      this.#parts.context.log.error("accept.failed", { code: this.meter.fail(error) })
    }
  }

  /** Nobody is led on before it is sure that they may be. */
  #take(stream: SamStream): void {
    const { kind, gate, signal } = this.#parts
    const { b32 } = stream.peer
    stream.on("error", () => {}) // told by the relay
    const lead = kind.choose(stream)
    if (signal.aborted || lead === undefined || gate.enter(b32) !== undefined) {
      this.meter.add("refused")
      stream.destroy()
      return
    }
    const leave = this.meter.enter()
    void this.#serve(stream, lead).finally(() => {
      leave()
      gate.leave(b32)
    })
  }

  async #serve(stream: SamStream, lead: Lead): Promise<void> {
    const { context, settings, signal } = this.#parts
    const relayed = { ...this.#watch(stream), place: this.#place, lingerMs: settings.lingerMs }
    try {
      const local = await lead({ signal, meter: this.meter })
      await spoolRelay(stream, local, relayed)
    } catch (error) {
      stream.destroy()
      if (!signal.aborted) context.log.info("connection.failed", { code: this.meter.fail(error) })
    }
  }

  /** Counts the bytes of a stream; it ends when those of its peer are used up. */
  #watch({ peer }: SamStream) {
    const { gate, signal } = this.#parts
    const ended = new AbortController()
    const count = this.meter.watch("out")
    return {
      signal: AbortSignal.any([signal, ended.signal]),
      onBytes: (bytesIn: number, bytesOut: number) => {
        count(bytesIn, bytesOut)
        if (!gate.moved(peer.b32, bytesIn + bytesOut)) ended.abort(usedUp())
      },
    }
  }
}

function usedUp(): AlliumError {
  const message = "Cannot go on: the bytes of this hour are used up, expected fewer"
  return new AlliumError("TOO_MANY_REQUESTS", message)
}
