import { randomBytes } from "node:crypto"
import { afterEach, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import {
  type DatagramSession,
  deriveDestinationKeys,
  openSupervisedDatagrams,
} from "../../../src/sam/index.ts"

describe("openSupervisedDatagrams()", () => {
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })
  const openBridge = () =>
    openEmbeddedBridge({ router: "i2pd-2.45.1", knobs: { sessionCreateMs: 0 } })
  const freshKeys = () => deriveDestinationKeys(randomBytes(32)).privateKeyFile
  const openOn = (bridge: () => EmbeddedBridge, keys: Uint8Array | "renewed" = freshKeys()) =>
    scope.use(
      openSupervisedDatagrams({
        bridge: async () => bridge().address,
        keys,
        style: "DATAGRAM",
        coolDownMs: 0,
      }),
    )

  /** Sends until it arrives. */
  async function carries(from: DatagramSession, to: DatagramSession, text: string): Promise<void> {
    const incoming = to.incoming[Symbol.asyncIterator]()
    const again = setInterval(() => {
      from.send(to.destination, Buffer.from(text)).catch(() => {})
    }, 20)
    for (let got = ""; got !== text; )
      got = Buffer.from((await incoming.next()).value!.payload).toString()
    clearInterval(again)
  }

  it("comes back with the same destination when the bridge went away, also at another port", async () => {
    let bridge = await openBridge()
    scope.defer(() => bridge[Symbol.asyncDispose]())
    const [one, two] = [openOn(() => bridge), openOn(() => bridge)]
    await expect(one.send(two.destination, Buffer.from("early"))).rejects.toMatchObject({
      code: "SESSION_LOST",
    })
    await Promise.all([one.ready(scope), two.ready(scope)])
    await carries(one, two, "before")
    const { b32 } = two.destination
    await bridge[Symbol.asyncDispose]()
    await expect.poll(() => one.state.name).toBe("down")
    bridge = await openBridge()
    await Promise.all([one.ready(scope), two.ready(scope)])
    expect(two.destination.b32).toBe(b32)
    await carries(one, two, "after")
    await one[Symbol.asyncDispose]()
    await expect(one.send(two.destination, Buffer.from("late"))).rejects.toMatchObject({
      code: "SESSION_CLOSED",
    })
    expect(await one.incoming[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
  })

  it("A15: comes back with another destination when its keys are renewed", async () => {
    let bridge = await openBridge()
    scope.defer(() => bridge[Symbol.asyncDispose]())
    const [one, two] = [openOn(() => bridge, "renewed"), openOn(() => bridge)]
    await Promise.all([one.ready(scope), two.ready(scope)])
    const { b32 } = one.destination
    await bridge[Symbol.asyncDispose]()
    bridge = await openBridge()
    await carries(two, one, "after")
    expect(one.destination.b32).not.toBe(b32)
  })
})
