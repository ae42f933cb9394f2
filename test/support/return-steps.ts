/**
 * How long each step of a restore takes: what the router tells, and what can be asked of it.
 */
import { request } from "node:http"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { FrameReader } from "../../src/api/sse.ts"
import type { AlliumProcess } from "./allium-process.ts"

/** In the order in which they are told; not all come in it. */
const STEPS = [
  "session up",
  "first contact told by its keepsake",
  "first contact linked",
  "backup loaded",
  "first message",
] as const
type Step = (typeof STEPS)[number]

interface Event {
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** See the module. */
export interface ReturnSteps extends AsyncDisposable {
  /** Whether somebody was met, and a message came. A backup may lie at a tower that is dead. */
  isOver(): boolean
  /** One line for each step, in milliseconds since `watchReturn()`. */
  table(): string
}

/** Begins to look at a router on which an identity is about to be restored. */
export function watchReturn(who: AlliumProcess): ReturnSteps {
  const startMs = Date.now()
  const found = new Map<Step, number>()
  const note = (step: Step) => void (found.has(step) || found.set(step, Date.now() - startMs))
  const ending = new AbortController()
  const { signal } = ending
  const isOver = () => found.has("first contact linked") && found.has("first message")
  const socketPath = join(who.home, "run", "api.sock")
  const asking = request({ socketPath, path: "/v1/events", headers: { host: "localhost" }, signal })
  const reader = new FrameReader()
  asking.on("error", () => {}) // ends with the watch
  asking.on("response", (answer) => {
    answer.setEncoding("utf8").on("error", () => {})
    answer.on("data", (text: string) => {
      for (const frame of reader.push(text)) hear(JSON.parse(frame.data))
    })
  })
  asking.end()
  const hear = ({ name, data }: Event) => {
    if (name === "session.changed" && data.owner === "identity" && data.state === "up")
      note("session up")
    if (name === "contact.changed" && data.state === "accepted")
      note("first contact told by its keepsake")
    if (name === "identity.restored") note("backup loaded")
    if (name === "messages.received") note("first message")
  }
  const looking = (async () => {
    while (!signal.aborted && !found.has("first contact linked")) {
      const contacts = await who.call<{ reachable: boolean }[]>("contact list").catch(() => [])
      if (contacts.some(({ reachable }) => reachable)) note("first contact linked")
      await sleep(200)
    }
  })()
  return {
    isOver,
    table: () =>
      STEPS.map((step) => `${step}: ${found.has(step) ? `${found.get(step)} ms` : "not yet"}`).join(
        "\n",
      ),
    [Symbol.asyncDispose]: async () => {
      ending.abort()
      await looking
    },
  }
}
