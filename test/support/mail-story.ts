/**
 * The story of letters on any network: three people and two towers, somebody always away, processes that are killed, a
 * machine that is lost.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { seededChance } from "../../src/base/random.ts"
import { AlliumProcess } from "./allium-process.ts"
import { watchReturn } from "./return-steps.ts"
import { eventually } from "./story.ts"

/** The network the story is told on, and how much of it. */
export interface MailWorld {
  /** Flags of `allium run` for each of A, B, the two towers, and C. */
  readonly network: readonly (readonly string[])[]
  /** Patience for one step. */
  readonly patienceMs: number
  /** How many messages wait for B at once. */
  readonly queuedCount: number
  /** For how long routers are killed at random, and how often. */
  readonly chaos: { readonly forMs: number; readonly everyMs: number }
  /** How long an I2P router wants to hear nothing of keys before they come again from another machine. */
  readonly keyRestMs: number
}

interface Message {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly text: string
}

interface Tower {
  readonly use: string
  readonly state: string
  readonly missing: number
}

/** States in the order in which a message may pass through them. */
const ORDER = ["queued", "stored", "delivered", "read"]

/** Tells the story; each `it` is one scene and builds on those before it. */
export function tellMailStory(name: string, open: () => Promise<MailWorld>): void {
  describe(name, () => {
    let world: MailWorld
    let folder: string
    let a: AlliumProcess
    let b: AlliumProcess
    let first: AlliumProcess
    let second: AlliumProcess
    let c: AlliumProcess

    beforeAll(async () => {
      world = await open()
      folder = await mkdtemp(join(tmpdir(), "allium-mail-story-"))
      ;[a, b, first, second, c] = world.network.map(
        (flags, index) => new AlliumProcess(join(folder, String(index)), flags),
      ) as [AlliumProcess, AlliumProcess, AlliumProcess, AlliumProcess, AlliumProcess]
    })
    afterAll(async () => {
      await Promise.all([a, b, first, second, c].map((one) => one?.stop()))
      await rm(folder, { recursive: true, force: true })
    })

    const all = async (who: AlliumProcess) => {
      const found: Message[] = []
      for (let before: number | undefined; ; ) {
        const contact = contactOf(who)
        const page = await who.call<(Message & { number: number })[]>("message list", {
          contact,
          limit: 1_000,
          ...(before && { before }),
        })
        found.unshift(...page)
        if (page.length < 1_000) return found
        before = page[0]!.number
      }
    }
    const contactOf = (who: AlliumProcess) => (who === b ? "ann" : "bob")
    const send = async (who: AlliumProcess, text: string) =>
      who.call<Message>("message send", { contact: contactOf(who), text })
    const stateOf = async (who: AlliumProcess, id: string) =>
      (await all(who)).find((one) => one.id === id)?.state
    const waitFor = (who: AlliumProcess, id: string, states: readonly string[]) =>
      eventually(
        () => stateOf(who, id),
        (state) => states.includes(state ?? ""),
        world.patienceMs,
      )
    const inbox = async (who: AlliumProcess) =>
      (await all(who)).filter((one) => one.direction === "in").map(({ text }) => text)
    const until = (who: AlliumProcess, text: string) =>
      eventually(
        () => inbox(who),
        (texts) => texts.includes(text),
        world.patienceMs,
      )

    it("two people become contacts", async () => {
      await Promise.all([a, b, first, second].map((one) => one.start()))
      await a.call("identity create", { name: "ann" })
      await b.call("identity create", { name: "bob" })
      await meet(b, "ann", "bob")
      const { id } = await send(b, "hello")
      await waitFor(b, id, ["delivered"])
      await waitFor(a, (await send(a, "hello, too")).id, ["delivered"])
    })

    it("both use a tower, and tell each other by themselves", async () => {
      for (const who of [a, b]) await use(who, first)
      for (const who of [a, b]) await towersStand(who)
      // Letters arrive in order: what says where the tower is has arrived before these.
      await waitFor(a, (await send(a, "I have a tower")).id, ["delivered"])
      await waitFor(b, (await send(b, "so have I")).id, ["delivered"])
    })

    it("A writes while B is off, then A goes off: B has it from the tower, then A sees it delivered", async () => {
      await b.stop()
      const { id } = await send(a, "left at the tower")
      await waitFor(a, id, ["stored"])
      await a.stop()
      await b.start()
      await until(b, "left at the tower")
      await b.stop()
      await a.start()
      expect(["stored", "delivered"]).toContain(await stateOf(a, id))
      await b.start()
      await waitFor(a, id, ["delivered"])
      expect((await inbox(b)).filter((text) => text === "left at the tower")).toHaveLength(1)
    })

    it("many queued messages arrive once each, in order", async () => {
      await b.stop()
      const texts = Array.from({ length: world.queuedCount }, (_, index) => `queued ${index}`)
      for (const text of texts) await send(a, text)
      await b.start()
      await until(b, texts.at(-1)!)
      expect((await inbox(b)).filter((text) => text.startsWith("queued "))).toEqual(texts)
    })

    it("a group of three, two of whom do not know each other", async () => {
      await c.start()
      await c.call("identity create", { name: "cleo" })
      await meet(c, "ann", "cleo")
      await a.call("group create", { name: "club", members: ["bob", "cleo"] })
      await eventually(
        () => Promise.all([b, c].map((who) => who.call<unknown[]>("group list"))),
        (lists) => lists.every((list) => list.length === 1),
        world.patienceMs,
      )
      for (const [who, text] of [
        [a, "welcome"],
        [b, "hello, club"],
        [c, "hello, bob, whom I do not know"],
      ] as const) {
        await who.call("message send", { contact: "club", text })
        for (const other of [a, b, c].filter((one) => one !== who))
          await eventually(
            () => other.call<Message[]>("message list", { contact: "club" }),
            (list) => list.filter((one) => one.text === text).length === 1,
            world.patienceMs,
          )
      }
    })

    it("A, B and the tower are killed at random: nothing is lost, nothing comes twice, no state is false", async () => {
      const chance = seededChance(7)
      const sent = { a: [] as Message[], b: [] as Message[] }
      const end = Date.now() + world.chaos.forMs
      const histories = new Map<string, string[]>()
      for (let round = 0; Date.now() < end; round++) {
        sent.a.push(await send(a, `a in chaos ${round}`))
        sent.b.push(await send(b, `b in chaos ${round}`))
        await sleep(chance() * world.chaos.everyMs)
        await note(histories)
        const victim = [a, b, first][Math.floor(chance() * 3)]!
        await victim.kill()
        await sleep((chance() * world.chaos.everyMs) / 2)
        await victim.start()
      }
      for (const { id } of sent.a) await waitFor(a, id, ["delivered"])
      for (const { id } of sent.b) await waitFor(b, id, ["delivered"])
      await note(histories)
      const texts = (messages: Message[]) => messages.map(({ text }) => text)
      expect((await inbox(b)).filter((text) => text.includes("chaos"))).toEqual(texts(sent.a))
      expect((await inbox(a)).filter((text) => text.includes("chaos"))).toEqual(texts(sent.b))
      for (const states of histories.values()) expect(states).toEqual(inOrder(states))
    })

    it("B moves from the first tower to the second under traffic: nothing is lost", async () => {
      const texts: string[] = []
      let moving = true
      const traffic = async () => {
        for (let number = 0; moving || number < 20; number++) {
          texts.push(`under way ${number}`)
          await send(a, texts.at(-1)!)
          await sleep(100)
        }
      }
      const talking = traffic()
      await move(b, first, second)
      moving = false
      await talking
      await until(b, texts.at(-1)!)
      expect((await inbox(b)).filter((text) => text.startsWith("under way"))).toEqual(texts)
    })

    it("the first tower dies: what comes now lies in the second", async () => {
      await towersStand(b)
      const { id } = await send(a, "one more")
      await waitFor(a, id, ["delivered"])
      await first.kill()
      await b.stop()
      const later = await send(a, "by the other tower")
      await waitFor(a, later.id, ["stored"])
      await b.start()
      await until(b, "by the other tower")
      await waitFor(a, later.id, ["delivered"])
    })

    it("A's machine is lost: 24 words bring back contacts and what was not yet acknowledged", async () => {
      const words = (await a.command(["identity", "phrase"])).stdout.trim()
      const before = await a.call<{ name: string }[]>("contact list")
      await a.kill()
      await rm(a.home, { recursive: true })
      const { id } = await send(b, "while you were gone")
      await sleep(world.keyRestMs)
      a = new AlliumProcess(join(folder, "fresh"), world.network[0]!)
      await a.start()
      await using steps = watchReturn(a)
      const restored = await a.command(["identity", "restore"], words)
      expect(restored).toMatchObject({ exit: 0 })
      const told = await eventually(
        () => a.call<{ name: string; state: string }[]>("contact list"),
        (list) => before.every(({ name }) => list.some((one) => one.name === name)),
        world.patienceMs,
      )
      expect(told.map(({ state }) => state)).toEqual(before.map(() => "accepted"))
      await waitFor(b, id, ["delivered"])
      await eventually(
        async () => steps.table(),
        () => steps.isOver(),
        world.patienceMs,
      )
      console.log(steps.table())
      expect((await inbox(a)).filter((text) => text === "while you were gone")).toHaveLength(1)
      await waitFor(a, (await send(a, "I am back")).id, ["delivered"])
    })

    /** `who` asks A to become contacts, and A accepts. */
    async function meet(who: AlliumProcess, nameOfA: string, name: string): Promise<void> {
      const { uri } = await a.call<{ uri: string }>("contact card", {})
      await who.call("contact add", { uri, name: nameOfA })
      const asking = await eventually(
        async () =>
          (await a.call<{ name: string; state: string }[]>("contact list")).find(
            ({ state }) => state === "asking",
          ),
        (one) => one !== undefined,
        world.patienceMs,
      )
      await a.call("contact accept", { contact: asking?.name })
      await a.call("contact rename", { contact: asking?.name, name })
    }

    async function use(who: AlliumProcess, tower: AlliumProcess): Promise<void> {
      await tower.call("tower run", {})
      const { uri } = await tower.call<{ uri: string }>("tower invite", {})
      await who.call("tower use", { uri })
    }

    async function move(who: AlliumProcess, from: AlliumProcess, to: AlliumProcess): Promise<void> {
      await to.call("tower run", {})
      const { uri } = await to.call<{ uri: string }>("tower invite", {})
      const [tower] = await who.call<{ name: string }[]>("tower list")
      expect(from).not.toBe(to)
      await who.call("tower move", { tower: tower?.name, uri })
    }

    /** Every tower in use answers, and has a queue for each contact. */
    async function towersStand(who: AlliumProcess): Promise<void> {
      await eventually(
        async () => (await who.call<Tower[]>("tower list")).filter(({ use }) => use === "used"),
        (list) => list.length > 0 && list.every(({ state, missing }) => state === "up" && !missing),
        world.patienceMs,
      )
    }

    /** Notes the state of every message of ours, on both sides. */
    async function note(histories: Map<string, string[]>): Promise<void> {
      for (const who of [a, b])
        for (const { id, direction, state } of await all(who)) {
          if (direction === "in") continue
          const states = histories.get(id) ?? []
          if (states.at(-1) !== state) histories.set(id, [...states, state])
        }
    }
  })
}

/** The same states, as they may follow each other. */
function inOrder(states: readonly string[]): string[] {
  return [...states].sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other))
}
