/**
 * One stream of the embedded network: two flows, and how they end.
 *
 * SAM knows no half-close: when one side ends, what it sent before is delivered, then both sides end. What the
 * other side still sends is lost, as on every router.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import type { Clock } from "../base/clock.ts"
import type { Destination } from "../sam/destination.ts"
import { Flow } from "./flow.ts"
import { Road, type RoadOptions } from "./road.ts"

/** How long a socket that we ended may take to close its own side. */
const LINGER_MS = 60_000

/** Who called whom. */
export interface StreamRoute {
  readonly from: Destination
  readonly to: string
  readonly fromPort: number
  readonly toPort: number
}

/** A SAM socket that became a stream, and the bytes that came with its last command. */
export interface StreamSocket {
  readonly socket: Duplex
  readonly surplus: Uint8Array
}

/** Opened by CONNECT, joined by ACCEPT or FORWARD. Owns its sockets from then on. */
export class EmbeddedStream {
  readonly route: StreamRoute
  readonly #road: Road
  readonly #clock: Clock
  readonly #sides: { socket: Duplex; flow: Flow }[] = []
  #closed = false
  /** Called once, when the stream is over. */
  onClosed: () => void = () => {}

  constructor(route: StreamRoute, options: Omit<RoadOptions, "cut">) {
    this.route = route
    this.#clock = options.clock
    this.#road = new Road({ ...options, cut: () => this.cut() })
  }

  /** True once it was cut or ended on both sides. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * One side's socket: the caller's after its STATUS line, the other's after its destination line; in any
   * order. What comes before both are there waits, up to the window.
   */
  join({ socket, surplus }: StreamSocket): void {
    if (this.#closed) return void socket.destroy()
    const flow = new Flow(socket, this.#road, () => this.#end())
    this.#sides.push({ socket, flow })
    socket.on("data", (bytes: Uint8Array) => flow.push(bytes))
    socket.on("error", () => {}) // `close` follows, and that is what counts.
    socket.once("end", () => this.#sourceEnded(flow, socket))
    socket.once("close", () => this.#sourceEnded(flow, socket))
    if (surplus.length > 0) flow.push(surplus)
    this.#openBoth()
    if (socket.destroyed || socket.readableEnded) this.#sourceEnded(flow, socket)
    else socket.resume()
  }

  /** Ends both sides at once; what is queued is lost. */
  cut(): void {
    if (this.#closed) return
    this.#road.stats.streamsCut++
    this.#finish()
    for (const { socket } of this.#sides) socket.destroy()
  }

  #openBoth(): void {
    const [near, far] = this.#sides
    if (near === undefined || far === undefined) return
    near.flow.open(far.socket)
    far.flow.open(near.socket)
  }

  #sourceEnded(flow: Flow, source: Duplex): void {
    if (this.#closed) return
    if (!flow.finish()) this.#closeSoftly(source)
    const bothEnded = this.#sides.every(
      ({ socket }) => socket.destroyed || (socket.readableEnded && socket.writableFinished),
    )
    if (this.#sides.length === 2 && bothEnded) this.#end()
  }

  /** Everything one side said was handed over. */
  #end(): void {
    if (this.#closed) return
    this.#finish()
    for (const { socket } of this.#sides) this.#closeSoftly(socket)
  }

  #finish(): void {
    this.#closed = true
    for (const { flow } of this.#sides) flow.drop()
    this.#road.close()
    this.onClosed()
  }

  /** Ends our half and reads the other to its end: destroying at once could take back what was sent. */
  #closeSoftly(socket: Duplex): void {
    if (socket.destroyed) return
    const abort = new AbortController()
    socket.once("close", () => abort.abort())
    socket.end()
    socket.resume()
    this.#clock.sleep(LINGER_MS, { signal: abort.signal }).then(
      () => socket.destroy(),
      () => undefined, // It closed by itself.
    )
  }
}

/** CONNECT said OK and nobody is there: whatever the caller sends is swallowed. */
export function swallow({ socket }: StreamSocket): void {
  socket.on("data", () => {})
  socket.once("end", () => socket.end())
  socket.resume()
}
