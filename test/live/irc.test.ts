/**
 * Two people with WeeChat, each behind an `irc-client` of their own, at ngIRCd behind `irc-server`, over real i2pd;
 * irssi shares the second one's tunnel.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/irc.test.ts`.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../src/base/clock.ts"
import { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import type { TunnelContext } from "../../src/router/tunnel.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import { ircClient } from "../../tunnels/irc-client/index.ts"
import { ircServer } from "../../tunnels/irc-server/index.ts"
import {
  type Irssi,
  type Observer,
  openIrssi,
  openNgircd,
  openObserver,
  openWeeChat,
  ROOM,
  type WeeChat,
} from "../support/chat-programs.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"
import { lacks } from "../support/foreign-programs.ts"

const PASSWORD = "s3cret"
const hasNoIrssi = lacks("irssi", "script")
const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

/** As the router hands it to a tunnel: dialling waits for a LeaseSet. */
async function contextAt(port: number, scope: Scope): Promise<TunnelContext> {
  const bridge = { host: "127.0.0.1", port }
  const open = () => openSupervisedSession({ bridge, keys: "transient" })
  const context = scope.use(await openFakeTunnelContext({ faults: { tailLoss: true }, open }))
  const tools = { clock: systemClock, chance: Math.random }
  return { ...context, dial: (session, host, call) => dial(session, host, call, tools) }
}

if (near === undefined || far === undefined || near === far)
  describe("irc over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe.skipIf(lacks("ngircd", "weechat-headless"))("irc over i2pd", () => {
    const scope = new Scope()
    let folder: string
    let ann: Person
    let bob: Person
    let ian: Irssi
    let eve: Observer

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true, force: true }))
      const port = await openNgircd(folder, PASSWORD, scope)
      eve = openObserver(port, scope)
      const webirc = join(folder, "webirc")
      await writeFile(webirc, `${PASSWORD}\n`)
      const options = ircServer.options.parse({ expose: String(port), webirc })
      const server = await ircServer.open(await contextAt(far, scope), options)
      scope.use(server)
      ;[ann, bob] = await Promise.all([
        openPerson("ann", server.address!),
        openPerson("bob", server.address!),
      ])
      if (hasNoIrssi) return
      ian = await openIrssi({ folder: join(folder, "ian"), nick: "ian", server: bob.port }, scope)
    })
    afterAll(() => scope.close())

    /** A chat program and the address of ours through which it speaks. */
    interface Person {
      readonly chat: WeeChat
      readonly b32: string
      /** Of the tunnel, as HOST:PORT. */
      readonly port: string
    }

    async function openPerson(nick: string, server: string): Promise<Person> {
      const context = await contextAt(near!, scope)
      const options = ircClient.options.parse({ to: [server], listen: "0", waitSeconds: 600 })
      const tunnel = scope.use(await ircClient.open(context, options))
      const { destination } = await context.session({ keys: "transient" })
      const port = tunnel.listens!
      const chat = await openWeeChat({ folder: join(folder, nick), nick, server: port }, scope)
      return { chat, port, b32: destination.b32 }
    }

    /** Waits until eve read it. */
    const heard = (words: RegExp) =>
      expect.poll(() => eve.text, { timeout: 300_000 }).toMatch(words)
    /** Waits until a person's program shows it in the room. */
    const shown = (person: Person, words: RegExp) =>
      expect.poll(() => person.chat.log(`net.${ROOM}`), { timeout: 120_000 }).toMatch(words)
    /** Waits until irssi shows it in the room. */
    const logged = (words: RegExp) =>
      expect.poll(() => ian.log(), { timeout: 120_000 }).toMatch(words)

    it("A10: both join", async () => {
      const startedMs = performance.now()
      for (const nick of ["ann", "bob"]) await heard(new RegExp(`:${nick}!.* JOIN :${ROOM}`))
      console.log(`both joined after ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`)
    })

    it("A10: the two differ by their hosts, and neither name nor machine is told", async () => {
      eve.say("WHOIS ann")
      eve.say("WHOIS bob")
      await heard(/ 318 eve bob /)
      expect(ann.b32).not.toBe(bob.b32)
      for (const [nick, { b32 }] of Object.entries({ ann, bob }))
        expect(eve.text).toMatch(new RegExp(` 311 eve ${nick} i2p ${b32} \\* :user\r\n`))
    })

    it("A10: what one says the other reads, and /me passes", async () => {
      await ann.chat.tell(`/msg -server net ${ROOM} hi from ann`)
      await shown(bob, /ann\thi from ann/)
      await bob.chat.tell(`/msg -server net ${ROOM} hi from bob`)
      await shown(ann, /bob\thi from bob/)
      await ann.chat.tell(`/command -buffer irc.net.${ROOM} * /me waves`)
      await shown(bob, / \*\tann waves/)
      const startedMs = performance.now()
      eve.say(`PRIVMSG ${ROOM} :hi from eve`)
      await shown(ann, /eve\thi from eve/)
      console.log(`a line reached ann after ${(performance.now() - startedMs).toFixed(0)} ms`)
    })

    it("A10: a new nick reaches everybody", async () => {
      await bob.chat.tell("/command -buffer irc.server.net * /nick rob")
      await shown(ann, /bob is now known as rob/)
      await bob.chat.tell("/command -buffer irc.server.net * /nick bob")
      await shown(ann, /rob is now known as bob/)
    })

    it("B15: questions about the program get no answer and are not shown", async () => {
      for (const ask of ["VERSION", "PING 1", "CLIENTINFO", "TIME", "DCC SEND a 1 2 3"])
        eve.say(`PRIVMSG ann :\x01${ask}\x01`)
      eve.say(`PRIVMSG ${ROOM} :\x01VERSION\x01`)
      await ann.chat.tell("/ctcp -server net bob VERSION")
      eve.say(`PRIVMSG ${ROOM} :all asked`)
      await shown(ann, /eve\tall asked/)
      await wait(3_000)
      expect(eve.text).not.toMatch(/ NOTICE eve /)
      for (const { chat } of [ann, bob])
        for (const buffer of ["server.net", `net.${ROOM}`])
          expect(await chat.log(buffer)).not.toMatch(/CTCP requested by|DCC/)
    })

    it.skipIf(hasNoIrssi)("A10: irssi joins beside WeeChat; it reads, and is read", async () => {
      await heard(new RegExp(`:ian!.* JOIN :${ROOM}`))
      await ann.chat.tell(`/msg -server net ${ROOM} hi ian`)
      await logged(/ann> hi ian/)
      ian.type(`/msg ${ROOM} hi from ian`)
      await shown(bob, /ian\thi from ian/)
      eve.say("WHOIS ian")
      await heard(/ 318 eve ian /)
      expect(eve.text).toMatch(new RegExp(` 311 eve ian i2p ${bob.b32} \\* :user\r\n`))
    })

    it.skipIf(hasNoIrssi)("B15: irssi is not asked what it is, and cannot tell", async () => {
      for (const ask of ["VERSION", "PING 1", "TIME"]) eve.say(`PRIVMSG ian :\x01${ask}\x01`)
      eve.say(`PRIVMSG ${ROOM} :ian was asked`)
      await logged(/eve> ian was asked/)
      ian.type("/nctcp eve VERSION irssi")
      ian.type(`/msg ${ROOM} ian has told`)
      await heard(/:ian!.* PRIVMSG #room :ian has told/)
      expect(eve.text).not.toMatch(/:ian!\S* NOTICE /)
      ian.type("/quit irssi is best")
      await heard(/:ian!.* QUIT :.*leaving/)
      expect(eve.text).not.toMatch(/irssi/i)
    })

    it("A10: whoever leaves does not say with which program", async () => {
      await ann.chat.tell(`/command -buffer irc.net.${ROOM} * /part`)
      await heard(/:ann!.* PART #room :leaving\r\n/)
      await bob.chat.tell("/command -buffer irc.server.net * /disconnect net")
      await heard(/:bob!.* QUIT :.*leaving/)
      expect(eve.text).not.toMatch(/WeeChat/i)
    })
  })
