import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { dial } from "../../../src/router/dial.ts"
import type { SamStream, Session } from "../../../src/sam/session.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

const away = new AlliumError("PEER_UNREACHABLE", "Cannot connect: no LeaseSet")
const stream = {} as SamStream

/** A session that answers each connect with the next of these. */
function sessionWith(answers: (SamStream | Error)[]): Session {
  return {
    async connect() {
      const answer = answers.shift() ?? away
      if (answer instanceof Error) throw answer
      return answer
    },
  } as unknown as Session
}

describe("dial()", () => {
  const call = { signal: new AbortController().signal, waitMs: 60_000 }

  it("tries again while the LeaseSet is being found", async () => {
    const clock = new FakeClock()
    const session = sessionWith([away, away, stream])
    const dialling = dial(session, "x.b32.i2p", call, { clock, chance: () => 0 })
    await settle()
    await clock.pass(1_000)
    await clock.pass(2_000)
    await expect(dialling).resolves.toBe(stream)
  })

  it("gives up with the last reason when the time is over", async () => {
    const clock = new FakeClock()
    const dialling = dial(sessionWith([]), "x.b32.i2p", call, { clock, chance: () => 0 })
    dialling.catch(() => {})
    await settle()
    await clock.pass(120_000)
    await expect(dialling).rejects.toBe(away)
  })

  it("does not try again what more tries cannot mend", async () => {
    const clock = new FakeClock()
    const wrong = new AlliumError("BAD_DESTINATION", "Cannot connect: not a destination")
    await expect(dial(sessionWith([wrong]), "x", call, { clock, chance: () => 0 })).rejects.toBe(
      wrong,
    )
  })
})
