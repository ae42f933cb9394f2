import { connect } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import { ircClient } from "../../../tunnels/irc-client/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

const MINUTE_MS = 60_000
/** The other end says nothing: the tunnel waits a second for it. */
const LINGERING = { timeout: 10_000 }

describe.each([
  ["tcp-client", tcpClient],
  ["irc-client", ircClient],
] as const)("the session of %s", (_, kind) => {
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  async function start(options: Record<string, unknown>) {
    const network = openFakeNetwork()
    const far = scope.use(network.open())
    const clock = new FakeClock()
    const context = scope.use(await openFakeTunnelContext(network, { clock }))
    const given = { to: [far.destination.b32], listen: "0", lingerSeconds: 1, ...options }
    const tunnel = scope.use(
      await (kind as typeof tcpClient).open(context, kind.options.parse(given) as never),
    )
    const dial = () => {
      const local = connect(Number(tunnel.listens!.split(":")[1]), "127.0.0.1")
      local.on("error", () => {}).resume()
      scope.defer(() => local.destroy())
      return local
    }
    const now = () => tunnel.counters().connectionsNow
    return { clock, context, dial, now }
  }

  it("opens at once, or with the first connection when lazy", async () => {
    expect((await start({})).context.opened).toHaveLength(1)
    const { context, dial } = await start({ lazy: true })
    expect(context.opened).toHaveLength(0)
    dial()
    await expect.poll(() => context.dialled.length).toBe(1)
    expect(context.opened).toHaveLength(1)
  })

  it.each([
    ["a new address", "transient"],
    ["the same address when keys are persistent", "persistent"],
  ])("closes when nobody used it, never before, and comes back with %s", async (_what, keys) => {
    const { clock, context, dial, now } = await start({ lazy: true, closeMinutes: 5, keys })
    const first = dial()
    await expect.poll(() => context.dialled.length).toBe(1)
    await clock.pass(60 * MINUTE_MS)
    expect(context.opened[0]!.state.name).toBe("up")
    first.destroy()
    await expect.poll(() => clock.sleeping(), LINGERING).toContain(5 * MINUTE_MS)
    await clock.pass(4 * MINUTE_MS)
    const second = dial()
    await expect.poll(() => context.dialled.length).toBe(2)
    expect(context.opened).toHaveLength(1)
    await clock.pass(5 * MINUTE_MS)
    expect(context.opened[0]!.state.name).toBe("up")
    second.destroy()
    await expect.poll(() => clock.sleeping(), LINGERING).toContain(5 * MINUTE_MS)
    await clock.pass(5 * MINUTE_MS)
    await expect.poll(() => context.opened[0]!.state.name).toBe("closed")
    expect(now()).toBe(0)
    dial()
    await expect.poll(() => context.dialled.length).toBe(3)
    const [before, after] = context.opened.map(({ destination }) => destination.b32)
    expect(after === before).toBe(keys === "persistent")
  })

  it("stays when it is not to be closed", async () => {
    const { clock, context } = await start({})
    await clock.pass(24 * 60 * MINUTE_MS)
    expect(context.opened[0]!.state.name).toBe("up")
  })
})
