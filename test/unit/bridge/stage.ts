/** A bridge with people on it, for tests that speak SAM to it. */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { expect } from "vitest"
import {
  type EmbeddedBridge,
  type EmbeddedBridgeOptions,
  openEmbeddedBridge,
} from "../../../src/bridge/bridge.ts"
import type { Fault, Knobs } from "../../../src/bridge/knobs.ts"
import type { RouterName } from "../../../src/bridge/routers.ts"
import { field, openRaw, type RawSam } from "../../contract/sam/raw-client.ts"
import { FakeClock } from "../../support/fake-clock.ts"

export const TRANSIENT = "DESTINATION=TRANSIENT SIGNATURE_TYPE=7"

/** One session and its control socket. */
interface Party {
  readonly id: string
  readonly control: RawSam
  readonly destination: string
  readonly key: string
}

/** What tests do with a bridge. Closing it closes everything. */
export interface Stage extends AsyncDisposable {
  readonly bridge: EmbeddedBridge
  /** Another connection, after HELLO. */
  sam(hello?: string | false): Promise<RawSam>
  /** A session; transient and STREAM unless `words` says otherwise. */
  session(words?: string): Promise<Party>
  accept(party: Party, words?: string): Promise<RawSam>
  connect(from: Party, to: Party | string, words?: string): Promise<{ sam: RawSam; reply: string }>
  /** Two sessions with one stream between them; the destination line is taken. */
  stream(): Promise<{ near: RawSam; far: RawSam; caller: Party; callee: Party }>
}

export async function openStage(options: EmbeddedBridgeOptions = {}): Promise<Stage> {
  const bridge = await openEmbeddedBridge(options)
  const opened: RawSam[] = []
  const stage: Stage = {
    bridge,
    async sam(hello) {
      const sam = await openRaw(bridge.address.port, { ...(hello !== undefined && { hello }) })
      opened.push(sam)
      return sam
    },
    async session(words = `STYLE=STREAM ${TRANSIENT}`) {
      const control = await stage.sam()
      const id = randomBytes(6).toString("hex")
      const reply = await control.ask(`SESSION CREATE ID=${id} ${words}`)
      expect(reply).toMatch(/^SESSION STATUS RESULT=OK/)
      const me = await control.ask("NAMING LOOKUP NAME=ME")
      const key = field(reply, "DESTINATION") ?? ""
      return { id, control, key, destination: field(me, "VALUE") ?? "" }
    },
    async accept(party, words = "") {
      const sam = await stage.sam()
      expect(await sam.ask(`STREAM ACCEPT ID=${party.id} ${words}`)).toBe("STREAM STATUS RESULT=OK")
      return sam
    },
    async connect(from, to, words = "") {
      const sam = await stage.sam()
      const target = typeof to === "string" ? to : to.destination
      const reply = await sam.ask(`STREAM CONNECT ID=${from.id} DESTINATION=${target} ${words}`)
      return { sam, reply }
    },
    async stream() {
      const [caller, callee] = [await stage.session(), await stage.session()]
      const far = await stage.accept(callee)
      const { sam: near, reply } = await stage.connect(caller, callee)
      expect(reply).toBe("STREAM STATUS RESULT=OK")
      expect((await far.line()).split(" ")[0]).toBe(caller.destination)
      return { near, far, caller, callee }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((sam) => sam[Symbol.asyncDispose]()))
      await bridge[Symbol.asyncDispose]()
    },
  }
  return stage
}

/** True when nothing arrives while other traffic makes a whole round trip. */
export async function staysSilent(sam: RawSam, other: RawSam): Promise<boolean> {
  let arrived = false
  const note = () => {
    arrived = true
  }
  for (const event of ["data", "end", "close"]) sam.socket.on(event, note)
  for (let turn = 0; turn < 3; turn++) await other.ask("NAMING LOOKUP NAME=ME")
  for (const event of ["data", "end", "close"]) sam.socket.off(event, note)
  return !arrived
}

/** Writes as much as the socket takes at once and then; gives the bytes written when it stalls. */
export async function writeUntilStalled(sam: RawSam, byteCountMax: number): Promise<number> {
  const piece = Buffer.alloc(64 * 1024, 1)
  let sent = 0
  while (sent < byteCountMax) {
    sent += piece.length
    if (sam.socket.write(piece)) continue
    const drained = once(sam.socket, "drain", { signal: AbortSignal.timeout(150) })
    if ((await drained.catch(() => "stalled")) === "stalled") break
  }
  return sent
}

/** A stage on a standing clock, with faults on. */
export async function openFaulty(
  faults: Fault[],
  knobs: Partial<Knobs> = {},
  router: RouterName = "strict",
) {
  const clock = new FakeClock()
  const stage = await openStage({ clock, router, knobs: { ...knobs, faults: new Set(faults) } })
  return { stage, clock }
}
