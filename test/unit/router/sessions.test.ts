import { randomBytes } from "node:crypto"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { seededChance, systemRandom } from "../../../src/base/random.ts"
import { Scope } from "../../../src/base/scope.ts"
import { openSessions, type Sessions } from "../../../src/router/sessions.ts"
import { deriveDestinationKeys } from "../../../src/sam/index.ts"
import { openKeyGuard } from "../../../src/sam/key-guard.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"

const OWNER = { kind: "tunnel", name: "game" } as const

describe("lasting keys of an owner", () => {
  let scope: Scope
  let sessions: Sessions
  beforeEach(() => {
    scope = new Scope()
    const clock = new FakeClock()
    sessions = scope.use(
      openSessions({
        bridge: async () => {
          throw new AlliumError("BRIDGE_UNREACHABLE", "Cannot reach bridge: there is none here")
        },
        store: new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {}).room("/"),
        guard: openKeyGuard({ clock }),
        coolDownMs: 0,
        clock,
        chance: seededChance(1),
        random: systemRandom,
        log: silentLog,
        onState: () => {},
      }),
    )
  })
  afterEach(() => scope.close())

  const adopt = () => sessions.adopt(OWNER, deriveDestinationKeys(randomBytes(32)).privateKeyFile)
  const speak = (style: "DATAGRAM" | "RAW", within = scope) =>
    sessions.openDatagrams(OWNER, { keys: "persistent", style }, within)

  it("are others for streams and for each style of datagrams, when they were made here", async () => {
    const all = [
      await sessions.openOwn(OWNER, "persistent", scope),
      await speak("DATAGRAM"),
      await speak("RAW"),
    ]
    expect(new Set(all.map(({ destination }) => destination.b32)).size).toBe(3)
  })

  it("are of one session at a time, when they were adopted", async () => {
    await adopt()
    const first = new Scope()
    const { destination } = await speak("DATAGRAM", first)
    const taken = { code: "DESTINATION_TAKEN", message: expect.stringContaining("tunnel game") }
    await expect(speak("RAW")).rejects.toMatchObject(taken)
    await expect(sessions.openOwn(OWNER, "persistent", scope)).rejects.toMatchObject(taken)
    await first.close()
    expect((await speak("RAW")).destination.b32).toBe(destination.b32)
  })

  it("are not given to two who ask at the same time", async () => {
    await adopt()
    const asked = await Promise.allSettled([speak("DATAGRAM"), speak("RAW"), speak("DATAGRAM")])
    expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
  })
})
