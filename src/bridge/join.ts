/**
 * One embedded network for several processes: who comes first listens, the others join, and when the
 * first goes away one of them takes its place on the same port.
 *
 * A bridge that takes over begins empty: supervised sessions find it by dialling the same port again.
 *
 * @module
 */
import type { Socket } from "node:net"
import { openBackoff } from "../base/backoff.ts"
import { systemClock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { silentLog } from "../base/log.ts"
import { seededChance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type EmbeddedBridge, type EmbeddedBridgeOptions, openEmbeddedBridge } from "./bridge.ts"
import { probeBridge } from "./probe.ts"

/** Listening and joining may miss each other while a host goes away; so often it is tried. */
const SETTLE_TRIES = 5

/** A place on the embedded network of this machine. Closing it leaves; a host closes its bridge. */
export interface EmbeddedMembership extends AsyncDisposable {
  /** Where the bridge is; the UDP port may change when this process takes over. */
  readonly address: EmbeddedBridge["address"]
  /** Whether the bridge runs in this process; may become true later. */
  readonly hosting: boolean
  /** The bridge of this process, while it hosts. */
  readonly bridge: EmbeddedBridge | undefined
}

/** Needs a fixed port: it is where the processes meet. */
export type JoinOptions = EmbeddedBridgeOptions & { readonly port: number }

/**
 * Listens on the port, or joins the embedded bridge that does.
 *
 * @throws {AlliumError} `EMBEDDED_PORT_TAKEN` when something else has the port.
 */
export async function openOrJoinEmbedded(options: JoinOptions): Promise<EmbeddedMembership> {
  const member = new Member(options)
  await member.settle()
  return member
}

class Member implements EmbeddedMembership {
  readonly #options: JoinOptions
  readonly #scope = new Scope()
  #bridge: EmbeddedBridge | undefined
  #address: EmbeddedBridge["address"]

  constructor(options: JoinOptions) {
    this.#options = options
    const { host = "127.0.0.1", port, udpPort = 0 } = options
    this.#address = { host, port, udpPort }
  }

  get address(): EmbeddedBridge["address"] {
    return this.#address
  }

  get hosting(): boolean {
    return this.#bridge !== undefined
  }

  get bridge(): EmbeddedBridge | undefined {
    return this.#bridge
  }

  /** Hosts or joins; some tries, because a host may leave between the two. */
  async settle(): Promise<void> {
    for (let tries = 1; ; tries++) {
      if (await this.#host()) return
      const found = await probeBridge(this.#address, this.#options.users)
      if (found !== "gone") return this.#join(found)
      if (tries >= SETTLE_TRIES) throw portTaken(this.#address.port)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
    await this.#bridge?.[Symbol.asyncDispose]()
    this.#bridge = undefined
  }

  async #host(): Promise<boolean> {
    try {
      this.#bridge = await openEmbeddedBridge({ ...this.#options, ...this.#address })
      this.#address = this.#bridge.address
      if (this.#scope.signal.aborted) await this[Symbol.asyncDispose]()
      return true
    } catch (error) {
      if (isAlliumError(error, "EMBEDDED_PORT_TAKEN")) return false
      throw error
    }
  }

  #join(found: "stranger" | { socket: Socket; udpPort: number }): void {
    if (found === "stranger") throw portTaken(this.#address.port)
    const { socket, udpPort } = found
    if (this.#scope.signal.aborted) return void socket.destroy()
    this.#address = { ...this.#address, udpPort }
    this.#scope.defer(() => socket.destroy())
    socket.once("close", () => void this.#takeOver())
  }

  /** The host is gone: settles anew, for as long as it takes. */
  async #takeOver(): Promise<void> {
    const {
      clock = systemClock,
      chance = seededChance(process.pid),
      log = silentLog,
    } = this.#options
    const backoff = openBackoff({ firstMs: 200, mostMs: 5000, chance })
    const { signal } = this.#scope
    while (!signal.aborted) {
      try {
        await this.settle()
        return log.info("bridge.takenOver", { hosting: this.hosting })
      } catch {
        log.warn("bridge.portTaken", { port: this.#address.port })
        // Perhaps only the UDP port of the one before is in the way.
        this.#address = { ...this.#address, udpPort: this.#options.udpPort ?? 0 }
      }
      await clock.sleep(backoff.next(), { signal }).catch(() => undefined)
    }
  }
}

function portTaken(port: number): AlliumError {
  return new AlliumError(
    "EMBEDDED_PORT_TAKEN",
    `Cannot open the embedded network: something else has port ${port}, expected it free or an embedded network`,
  )
}
