/** Ann and Bob on one embedded network, and a tower; each has an ear between router and bridge. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { messages } from "../../plugins/messages/index.ts"
import { tower } from "../../plugins/tower/index.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { createRouter, type Router } from "../../src/router/router.ts"
import { makeContacts } from "./mail-routers.ts"
import { StoppableClock } from "./stoppable-clock.ts"
import { eventually } from "./story.ts"
import { type MailboxFrame, openWireTap, type Way, type WireTap } from "./wire-tap.ts"

const PATIENCE_MS = 40_000
/** When nothing passed for so long, nothing more comes of a deed. */
const QUIET_MS = 300
/** The type of a frame that puts an envelope. */
const PUT = 0x41

/** One router, and what it says and hears. */
export class WirePerson {
  readonly clock = new StoppableClock()
  readonly tap: WireTap
  #router: Router | undefined

  constructor(tap: WireTap) {
    this.tap = tap
  }

  async start(home: string, chance: () => number): Promise<void> {
    const { clock } = this
    const { host, port } = this.tap
    const network = { choice: "embedded", sam: { host, port } } as const
    const plugins = [messages, tower]
    this.#router = await createRouter({ home, network, plugins, tunnels: [], chance, clock })
  }

  async stop(): Promise<void> {
    this.clock.go()
    await this.#router?.[Symbol.asyncDispose]()
    await this.tap[Symbol.asyncDispose]()
  }

  async ask<T = unknown>(verb: string, input: Record<string, unknown> = {}): Promise<T> {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await this.#router!.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as T
  }

  until<T>(verb: string, input: Record<string, unknown>, wanted: (answer: T) => boolean) {
    return eventually(() => this.ask<T>(verb, input), wanted, PATIENCE_MS)
  }

  /** Envelopes that were put from here (`out`) or here (`in`), after so many frames. */
  puts(way: Way, since = 0): MailboxFrame[] {
    const { frames } = this.tap
    return frames.slice(since).filter((one) => one.way === way && isPut(one))
  }

  /** Waits for that many of them. @returns The last. */
  async untilPuts(way: Way, count: number, since: number): Promise<MailboxFrame> {
    const isThere = (puts: MailboxFrame[]) => puts.length >= count
    const wait = async () => this.puts(way, since)
    for (let tries = 0; tries < PATIENCE_MS / 5; tries++) {
      const puts = await wait()
      if (isThere(puts)) return puts[count - 1]!
      await sleep(5)
    }
    throw new Error(`${this.puts(way, since).length} envelopes were put, expected ${count}`)
  }

  /** Waits until nothing passes any more. */
  async quiet(): Promise<void> {
    for (let last = -1; last !== this.tap.frames.length; ) {
      last = this.tap.frames.length
      await sleep(QUIET_MS)
    }
  }
}

export function isPut({ by, bytes }: MailboxFrame): boolean {
  return by === "client" && bytes[0] === PUT
}

/** See the module. */
export interface WirePeople extends AsyncDisposable {
  readonly ann: WirePerson
  readonly bob: WirePerson
  readonly tower: WirePerson
  /** What chance says everywhere, from 0 to 1: an acknowledgement alone waits for so much of 2 s. */
  chance: number
}

/** Opens three routers; Ann and Bob are contacts, and all was recorded from the beginning. */
export async function openWirePeople(): Promise<WirePeople> {
  const bridge = await openEmbeddedBridge()
  const folder = await mkdtemp(join(tmpdir(), "allium-wire-"))
  const [ann, bob, holder] = [await person(bridge), await person(bridge), await person(bridge)]
  const people: WirePeople = {
    ...{ ann, bob, tower: holder, chance: 0.01 },
    async [Symbol.asyncDispose]() {
      await Promise.all([ann, bob, holder].map((one) => one.stop()))
      await bridge[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
  const chance = () => people.chance
  await Promise.all([
    ann.start(join(folder, "ann"), chance),
    bob.start(join(folder, "bob"), chance),
    holder.start(join(folder, "tower"), chance),
  ])
  await ann.ask("identity create", { name: "ann" })
  await bob.ask("identity create", { name: "bob" })
  await makeContacts(ann, bob, { left: "ann", right: "bob" })
  return people
}

async function person(bridge: EmbeddedBridge): Promise<WirePerson> {
  return new WirePerson(await openWireTap(bridge.address.port))
}
