import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { awaitSession } from "../../../src/router/session-wait.ts"
import type { Session, SessionState } from "../../../src/sam/session.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"

/** A session whose state a test decides; ready() waits for `up`. */
function openStated(first: SessionState): { session: Session; become(state: SessionState): void } {
  const listeners = new Set<(state: SessionState) => void>()
  let state = first
  const session: Session = Object.create(openFakeNetwork().open(), {
    state: { get: () => state },
    watch: {
      value: (listener: (state: SessionState) => void) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    ready: {
      value: ({ signal }: { signal: AbortSignal }) =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason))
          listeners.add(({ name }) => name === "up" && resolve())
        }),
    },
  })
  const become = (next: SessionState) => {
    state = next
    for (const listener of [...listeners]) listener(next)
  }
  return { session, become }
}

const away = (code: "BRIDGE_UNREACHABLE" | "SESSION_LOST"): SessionState => ({
  name: "down",
  sinceMs: 0,
  reason: new AlliumError(code, "Cannot go on: a test says so"),
})
const never = new AbortController().signal

describe("awaitSession()", () => {
  it("waits while tunnels are built, up to its limit", async () => {
    const { session, become } = openStated({ name: "opening", sinceMs: 0 })
    setTimeout(() => become({ name: "up", sinceMs: 0 }), 30)
    await awaitSession(session, { signal: never, waitMs: 2_000 })
    const slow = openStated(away("SESSION_LOST"))
    await expect(
      awaitSession(slow.session, { signal: never, waitMs: 30, bridgeAwayMs: 10 }),
    ).rejects.toMatchObject({ code: "SESSION_LOST", message: expect.stringContaining("building") })
  })

  it("says sooner when there is no I2P router at all", async () => {
    const { session, become } = openStated({ name: "opening", sinceMs: 0 })
    const waiting = awaitSession(session, { signal: never, waitMs: 2_000, bridgeAwayMs: 30 })
    become(away("BRIDGE_UNREACHABLE"))
    await expect(waiting).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" })
  })

  it("forgives a router that restarts", async () => {
    const { session, become } = openStated(away("BRIDGE_UNREACHABLE"))
    const waiting = awaitSession(session, { signal: never, waitMs: 2_000, bridgeAwayMs: 60 })
    setTimeout(() => become({ name: "opening", sinceMs: 0 }), 20)
    setTimeout(() => become({ name: "up", sinceMs: 0 }), 120)
    await waiting
  })

  it("ends with its caller", async () => {
    const { session } = openStated({ name: "opening", sinceMs: 0 })
    const signal = AbortSignal.timeout(10)
    await expect(awaitSession(session, { signal, waitMs: 2_000 })).rejects.toThrow()
  })
})
