/**
 * A destination that datagrams go to, and those that wait until it is found.
 *
 * @module
 */
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import { type Destination, parseDestination } from "../../sam/destination.ts"
import type { DatagramSession } from "../../sam/supervised-datagrams.ts"
import type { TunnelContext } from "../tunnel.ts"

/** Datagrams that wait for the destination to be found; more are lost. */
const HELD_MAX = 64
/** The same, in bytes. */
const HELD_BYTES_MAX = 256 * 1024
/** Between two looks for it. */
const LOOK_EVERY_MS = 2_000

/** What a {@linkcode DatagramTarget} stands on. */
export interface DatagramTargetTools extends Pick<TunnelContext, "clock" | "resolve"> {
  /** Asked with the first datagram; always the same one. */
  readonly session: () => Promise<DatagramSession>
  /** Ends it; datagrams that wait are forgotten. */
  readonly signal: AbortSignal
  readonly waitMs: number
  /** Told why datagrams were lost, and how many. */
  readonly onLost: (error: unknown, count: number) => void
}

interface Found {
  readonly destination: Destination
  readonly session: DatagramSession
}

/**
 * The destination, looked for with the first datagram. It is asked of the session's own router even when it is
 * given whole: the router fetches the LeaseSet then, and does not lose the first datagram for want of it.
 */
export class DatagramTarget {
  readonly #name: string
  readonly #tools: DatagramTargetTools
  #found: Found | undefined
  #isWatching = false
  #isLooking = false
  #held: Uint8Array[] = []
  #heldBytes = 0

  constructor(name: string, tools: DatagramTargetTools) {
    this.#name = name
    this.#tools = tools
  }

  /** Its `.b32.i2p` name, once it is known. */
  get b32(): string | undefined {
    return this.#found?.destination.b32
  }

  /** Sends, or keeps until the destination is found. */
  send(payload: Uint8Array): void {
    if (this.#found !== undefined) this.#give(this.#found, payload)
    else if (this.#isFullFor(payload)) this.#tools.onLost(tooMany(), 1)
    else this.#hold(payload)
  }

  #isFullFor({ length }: Uint8Array): boolean {
    return this.#held.length >= HELD_MAX || this.#heldBytes + length > HELD_BYTES_MAX
  }

  #hold(payload: Uint8Array): void {
    this.#held.push(payload)
    this.#heldBytes += payload.length
    if (!this.#isLooking) void this.#look()
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    try {
      const session = await this.#tools.session()
      this.#tools.signal.throwIfAborted()
      this.#watch(session)
      const found = { destination: await this.#find(session), session }
      this.#found = found
      for (const payload of this.#takeHeld()) this.#give(found, payload)
    } catch (error) {
      const lost = this.#takeHeld()
      if (!this.#tools.signal.aborted) this.#tools.onLost(error, lost.length)
    } finally {
      this.#isLooking = false
    }
  }

  #takeHeld(): Uint8Array[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    return held
  }

  #watch(session: DatagramSession): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const stop = session.watch(({ name: state }) => {
      if (state === "down") this.#found = undefined // the next session has to fetch it again
    })
    this.#tools.signal.addEventListener("abort", stop, { once: true })
  }

  /** Waits for the session as long as it takes, and then for the LeaseSet up to `waitMs`. */
  async #find(session: DatagramSession): Promise<Destination> {
    const { clock, signal, waitMs } = this.#tools
    await session.ready({ signal })
    const endMs = clock.monotonicMs() + waitMs
    for (;;) {
      try {
        const address = await this.#tools.resolve(this.#name, { signal })
        const whole = address.endsWith(".i2p") ? undefined : parseDestination(address)
        return await session.lookup(whole?.b32 ?? address, { signal })
      } catch (error) {
        const { code } = toAlliumError(error)
        const isAway = code === "NAME_NOT_FOUND" || code === "SESSION_LOST"
        if (signal.aborted || !isAway || clock.monotonicMs() >= endMs) throw error
      }
      await clock.sleep(LOOK_EVERY_MS, { signal })
    }
  }

  #give(found: Found, payload: Uint8Array): void {
    const { session, destination } = found
    session.send(destination, payload).catch((error) => this.#tools.onLost(error, 1))
  }
}

function tooMany(): AlliumError {
  return new AlliumError("BUSY", "Cannot send datagram: too many wait for the destination")
}
