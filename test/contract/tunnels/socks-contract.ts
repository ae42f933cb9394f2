/**
 * What `socks` promises, whatever the network below.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { chmod, writeFile } from "node:fs/promises"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import type { SamStream, Session } from "../../../src/sam/session.ts"
import { socks } from "../../../tunnels/socks/index.ts"
import { type FakeNetwork, fakeDestination } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

const name = (host: string) => [3, host.length, ...Buffer.from(host)]
const text = (value: string) => [value.length, ...Buffer.from(value)]

/** Runs every promise on a network of its own; what `openNetwork` opens, it hands to the scope. */
export function describeSocks(
  title: string,
  openNetwork: (scope: Scope) => Promise<FakeNetwork>,
): void {
  describe(`socks over ${title}`, () => {
    const whole = new Scope()
    let network: FakeNetwork
    let site: Session
    let visitors: string[] = []
    let serve: (stream: SamStream) => void
    beforeAll(async () => {
      network = await openNetwork(whole)
      site = whole.use(network.open())
      void takeStreams()
    })
    afterAll(() => whole.close())

    async function takeStreams(): Promise<void> {
      for await (const stream of site.incoming) {
        stream.on("error", () => {})
        visitors.push(stream.peer.b32)
        serve(stream)
      }
    }

    let scope = new Scope()
    afterEach(async () => {
      await scope.close()
      scope = new Scope()
      visitors = []
    })

    async function open(options: Record<string, unknown> = {}, sessionsMax = 64) {
      serve = (stream) => void stream.pipe(stream)
      const context = scope.use(await openFakeTunnelContext(network, { sessionsMax }))
      context.names.set("site.i2p", site.destination.base64)
      context.names.set("away.i2p", fakeDestination().base64)
      const tunnel = scope.use(
        await socks.open(context, socks.options.parse({ listen: "0", waitSeconds: 5, ...options })),
      )
      const [, port] = tunnel.listens!.split(":")
      return { context, tunnel, say: (...bytes: number[]) => dialProgram(Number(port), bytes) }
    }

    function dialProgram(port: number, bytes: number[]): Socket {
      const local = connect({ host: "127.0.0.1", port, allowHalfOpen: true })
      scope.defer(() => local.destroy())
      local.on("error", () => {}).on("readable", () => {})
      local.write(Uint8Array.from(bytes))
      return local
    }

    /** The next bytes, exactly so many. */
    async function take(local: Socket, byteCount: number): Promise<number[]> {
      await expect.poll(() => local.readableLength).toBeGreaterThanOrEqual(byteCount)
      return [...(local.read(byteCount) as Buffer)]
    }

    /** Everything until the proxy ends the connection. */
    async function all(local: Socket): Promise<number[]> {
      const bytes = await buffer(local)
      local.end()
      return [...bytes]
    }

    const five = (command: number, address: number[], port = 80) => [
      ...[5, 1, 0, 5, command, 0],
      ...address,
      ...[port >> 8, port & 255],
    ]
    const login = (user: string, password: string) => [
      ...[5, 1, 2, 1, ...text(user), ...text(password)],
      ...[5, 1, 0, ...name("site.i2p"), 0, 80],
    ]
    const DONE = [0, 0, 1, 0, 0, 0, 0, 0, 0]

    it("A8: carries bytes both ways, those sent ahead of the answer too, and the half-close", async () => {
      const { say, tunnel } = await open({ lingerSeconds: 1 })
      const bytes = randomBytes(2 * 2 ** 20)
      const local = say(...five(1, name("site.i2p")))
      local.end(bytes)
      expect(await take(local, 12)).toEqual([5, 0, 5, ...DONE])
      expect((await buffer(local)).equals(bytes)).toBe(true)
      await expect.poll(() => tunnel.counters().bytesIn).toBe(bytes.length)
    })

    it("A12: SOCKS 4a with a name", async () => {
      const { say } = await open()
      const local = say(4, 1, 0, 80, 0, 0, 0, 1, 0, ...Buffer.from("site.i2p\0hello"))
      expect(await take(local, 8)).toEqual([0, 0x5a, 0, 0, 0, 0, 0, 0])
      expect(Buffer.from(await take(local, 5)).toString()).toBe("hello")
    })

    it("A12: RESOLVE makes up an address that leads to the name, and RESOLVE_PTR back", async () => {
      const { say, context } = await open()
      const made = (await all(say(...five(0xf0, name("Site.i2p"))))).slice(2)
      expect(made).toEqual([5, 0, 0, 1, 198, 18, 0, 1, 0, 0])
      const again = (await all(say(...five(0xf0, name("site.i2p"))))).slice(2)
      expect(again).toEqual(made)
      const back = (await all(say(...five(0xf1, [1, 198, 18, 0, 1])))).slice(2)
      expect(back).toEqual([5, 0, 0, ...name("site.i2p"), 0, 0])
      expect(context.dialled).toEqual([])
      for (const local of [
        say(...five(1, [1, 198, 18, 0, 1]), ...Buffer.from("hi")),
        say(...five(1, name("198.18.0.1")), ...Buffer.from("hi")),
        say(4, 1, 0, 80, 198, 18, 0, 1, 0, ...Buffer.from("hi")),
      ]) {
        await expect.poll(() => local.bytesRead).toBeGreaterThan(9)
        local.destroy()
      }
      expect(context.dialled).toEqual(["site.i2p", "site.i2p", "site.i2p"])
    })

    it.each([
      { what: "an IPv4 address", said: five(1, [1, 10, 0, 0, 1]), reply: 2 },
      { what: "loopback", said: five(1, [1, 127, 0, 0, 1]), reply: 2 },
      { what: "an IPv6 address", said: five(1, [4, ...Buffer.alloc(16)]), reply: 2 },
      { what: "a name outside", said: five(1, name("example.org")), reply: 2 },
      { what: "an address as a name", said: five(1, name("127.0.0.1")), reply: 2 },
      { what: "a router's own page", said: five(1, name("router.i2p")), reply: 2 },
      { what: "a newline in a name", said: five(1, name("a\r\nb.i2p")), reply: 2 },
      { what: "NUL in a name", said: five(1, name("a\0.i2p")), reply: 2 },
      { what: "an empty name", said: five(1, name("")), reply: 2 },
      { what: "resolving a name outside", said: five(0xf0, name("example.org")), reply: 2 },
      { what: "a damaged address", said: five(1, name("abc.b32.i2p")), reply: 4 },
      { what: "an unknown name", said: five(1, name("nobody.i2p")), reply: 4 },
      { what: "who is away", said: five(1, name("away.i2p")), reply: 4 },
      { what: "BIND", said: five(2, name("site.i2p")), reply: 7 },
      { what: "an unknown type of address", said: five(1, [9, 1, 2, 3]), reply: 8 },
    ])("B7: answers $reply to $what", async ({ said, reply }) => {
      const { say } = await open()
      const answer = await all(say(...said))
      expect(answer.slice(2)).toEqual([5, reply, 0, 1, 0, 0, 0, 0, 0, 0])
      expect(visitors).toEqual([])
    })

    it("B7: SOCKS 4 with an IP address is refused, and so is UDP ASSOCIATE, which it does not know", async () => {
      const { say } = await open()
      expect((await all(say(4, 3, 0, 80, 0, 0, 0, 1, 0, ...Buffer.from("site.i2p\0"))))[1]).toBe(
        0x5b,
      )
      expect((await all(say(4, 1, 0, 80, 127, 0, 0, 1, 0)))[1]).toBe(0x5b)
    })

    it("B17: user names and passwords are different visitors, and the same ones the same", async () => {
      const { say } = await open()
      const logins = [login("ann", "1"), login("ann", "2"), login("bob", "1"), login("ann", "1")]
      for (const bytes of logins) await take(say(...bytes), 14)
      await take(say(...five(1, name("site.i2p"))), 12)
      await expect.poll(() => visitors.length).toBe(5)
      expect(new Set(visitors).size).toBe(4)
      expect(visitors[3]).toBe(visitors[0])
    })

    it("B17: one visitor for all, when so chosen", async () => {
      const { say } = await open({ isolate: "none" })
      for (const user of ["ann", "bob"]) await take(say(...login(user, "x")), 14)
      await expect.poll(() => visitors.length).toBe(2)
      expect(new Set(visitors).size).toBe(1)
    })

    it("answers 1 when all addresses are in use, and closes an unused one for a new visitor", async () => {
      const { say, tunnel } = await open({ sessions: 1, lazy: true, lingerSeconds: 1 })
      const first = say(...login("ann", "1"))
      await take(first, 14)
      const refused = await all(say(...login("bob", "1")))
      expect(refused.slice(4, 6)).toEqual([5, 1])
      first.destroy()
      await expect
        .poll(async () => {
          const local = say(...login("bob", "1"))
          const answer = await take(local, 14)
          local.destroy()
          return answer[5]
        })
        .toBe(0)
      expect(tunnel.counters().sessions).toBe(1)
    })

    it("lets in only users of its file", async () => {
      const { context } = await open()
      const users = join(context.folder, "users")
      await writeFile(users, "ann:secret\n")
      await chmod(users, 0o600)
      const { say } = await open({ users })
      expect(await all(say(...login("ann", "wrong")))).toEqual([5, 2, 1, 1])
      expect(await all(say(...five(1, name("site.i2p"))))).toEqual([5, 0xff])
      expect((await take(say(...login("ann", "secret")), 14)).slice(0, 6)).toEqual([
        5, 2, 1, 0, 5, 0,
      ])
    })

    it("B16: does not hear of a name's password after ten wrong ones, and hears everybody else", async () => {
      const { context } = await open()
      const users = join(context.folder, "users")
      await writeFile(users, "ann:secret\nbob:b\n", { mode: 0o600 })
      const { say, tunnel } = await open({ users })
      for (let count = 0; count < 10; count++) await all(say(...login("ann", `${count}`)))
      expect(await all(say(...login("ann", "secret")))).toEqual([5, 2, 1, 1])
      expect(tunnel.counters()).toMatchObject({
        "failed.PROXY_AUTH_NEEDED": 10,
        "failed.TOO_MANY_REQUESTS": 1,
      })
      expect((await take(say(...login("bob", "b")), 14)).slice(0, 6)).toEqual([5, 2, 1, 0, 5, 0])
    })

    it("B5: half-open requests make room for others, and do not stop them", async () => {
      const { say, tunnel } = await open()
      for (let count = 0; count < 200; count++) say(5)
      await expect.poll(() => tunnel.counters().connections).toBe(200)
      expect(await take(say(...five(1, name("site.i2p"))), 12)).toEqual([5, 0, 5, ...DONE])
      await expect.poll(() => tunnel.counters()["failed.ABORTED"]).toBe(200 + 1 - 64)
    })
  })
}
