/**
 * Never two sessions with one key, and never the same key again too soon.
 *
 * A router takes a second session with the same keys, and gives it a dead destination; keys used again
 * within 5 s of closing give a session that dies silently, and crash newer i2pd. Nobody else prevents it.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { abortError } from "./within.ts"

/** Twice what was measured to be too short; what RetroShare waits since 2020. */
export const COOL_DOWN_MS = 10_000

/** After an hour nobody cools down any more. */
const FORGET_MS = 3_600_000

/** What is known about one destination: in use since, or given back at; milliseconds since 1970. */
export interface KeyUse {
  readonly state: "held" | "released"
  readonly atMs: number
}

/** Remembers beyond the process, so that a crash does not shorten the cool-down. */
export interface KeyMemory {
  /** @param b32 - Address of the destination. */
  read(b32: string): Promise<KeyUse | undefined>
  write(b32: string, use: KeyUse): Promise<void>
}

/** A destination that is ours alone. */
export interface KeyHold {
  /** Begins the cool-down. Only the first call counts. */
  release(): Promise<void>
}

/** Watches over destinations; share one among all sessions of a process. */
export interface KeyGuard {
  /**
   * Takes a destination, after its cool-down.
   *
   * @param call.coolDownMs - {@linkcode COOL_DOWN_MS} unless given.
   * @throws {AlliumError} `DESTINATION_TAKEN` when somebody in this process holds it; `ABORTED`, `TIMED_OUT`.
   */
  hold(b32: string, call: { signal: AbortSignal; coolDownMs?: number }): Promise<KeyHold>
}

/** @param options.memory - Without it, only this process is remembered. */
export function openKeyGuard(options: { clock: Clock; memory?: KeyMemory }): KeyGuard {
  const { clock, memory } = options
  const held = new Set<string>()
  /** When each was given back, by the clock that does not jump. */
  const releasedMs = new Map<string, number>()

  const rest = async (b32: string, coolDownMs: number, signal: AbortSignal): Promise<void> => {
    const here = releasedMs.get(b32)
    const sinceMs = here === undefined ? await sinceBefore(b32) : clock.monotonicMs() - here
    if (sinceMs < coolDownMs) await clock.sleep(coolDownMs - sinceMs, { signal })
    releasedMs.delete(b32)
  }
  /** How long ago an earlier process gave it back; 0 when it never came to that. */
  const sinceBefore = async (b32: string): Promise<number> => {
    const use = await memory?.read(b32)
    if (use === undefined) return Number.POSITIVE_INFINITY
    return use.state === "held" ? 0 : Math.max(0, clock.now() - use.atMs)
  }
  const release = async (b32: string): Promise<void> => {
    if (!held.delete(b32)) return
    forgetOld()
    releasedMs.set(b32, clock.monotonicMs())
    await memory?.write(b32, { state: "released", atMs: clock.now() })
  }
  const forgetOld = (): void => {
    for (const [b32, atMs] of releasedMs)
      if (clock.monotonicMs() - atMs > FORGET_MS) releasedMs.delete(b32)
  }

  return {
    async hold(b32, { signal, coolDownMs = COOL_DOWN_MS }) {
      if (held.has(b32)) throw taken()
      held.add(b32)
      try {
        await rest(b32, coolDownMs, signal)
        await memory?.write(b32, { state: "held", atMs: clock.now() })
      } catch (error) {
        held.delete(b32)
        throw signal.aborted ? abortError(signal) : error
      }
      let over: Promise<void> | undefined
      return {
        release: () => {
          over ??= release(b32)
          return over
        },
      }
    },
  }
}

/** One guard for each clock: with the machine's clock, one for the whole process. */
const guards = new WeakMap<Clock, KeyGuard>()

/** The guard everybody in this process shares. */
export function processKeyGuard(clock: Clock): KeyGuard {
  const known = guards.get(clock)
  if (known) return known
  const guard = openKeyGuard({ clock })
  guards.set(clock, guard)
  return guard
}

function taken(): AlliumError {
  const found = "another session of this process has the same keys, expected none"
  return new AlliumError("DESTINATION_TAKEN", `Cannot open session: ${found}`)
}
