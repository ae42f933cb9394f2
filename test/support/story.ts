/**
 * One story on any network: two people meet, talk, send a file, read each other's site, and survive
 * what computers do. Told on the embedded network and on real i2pd.
 */
import { execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AlliumProcess } from "./allium-process.ts"

const run = promisify(execFile)

/** The network a story is told on. */
export interface World {
  /** Flags of `allium run` for A and for B. */
  readonly network: { readonly a: readonly string[]; readonly b: readonly string[] }
  /** Size of the file A sends. */
  readonly fileBytes: number
  /** Patience for one step: tunnels take their time. */
  readonly patienceMs: number
  /** Ends A's I2P router, runs `meanwhile`, and starts it again. */
  restartRouterOfA(meanwhile: () => Promise<void>): Promise<void>
}

interface Message {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly text: string
}
interface FileTransfer {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly path?: string
  readonly doneBytes?: number
  readonly done?: number
}
interface Contact {
  readonly name: string
  readonly state: string
  readonly reachable: boolean
}

/** Asks again until `wanted` is satisfied; the last answer goes into the failure. */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  patienceMs: number,
): Promise<T> {
  const end = Date.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (wanted(answer)) return answer
    if (Date.now() > end) throw new Error(`Still not so: ${JSON.stringify(answer).slice(0, 2_000)}`)
    await sleep(200)
  }
}

/** SHA-256 of a file, hexadecimal. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex")
}

/** Tells the story; each `it` is one scene and builds on those before it. */
export function tellStory(name: string, open: () => Promise<World>): void {
  describe(name, () => {
    let world: World
    let folder: string
    let a: AlliumProcess
    let b: AlliumProcess
    let siteAddress = ""

    beforeAll(async () => {
      world = await open()
      folder = await mkdtemp(join(tmpdir(), "allium-story-"))
      a = new AlliumProcess(join(folder, "a"), world.network.a)
      b = new AlliumProcess(join(folder, "b"), world.network.b)
    })
    afterAll(async () => {
      await Promise.all([a?.stop(), b?.stop()])
      await rm(folder, { recursive: true, force: true })
    })

    const messagesOf = (who: AlliumProcess) => who.call<Message[]>("message list", {})
    const received = async (who: AlliumProcess, text: string) =>
      (await messagesOf(who)).filter((one) => one.direction === "in" && one.text === text).length
    const contactOf = async (who: AlliumProcess, contact: string) =>
      (await who.call<Contact[]>("contact list")).find((one) => one.name === contact)
    const stateOf = async (who: AlliumProcess, id: string) =>
      (await messagesOf(who)).find((one) => one.id === id)?.state

    it("two routers start, each with an identity", async () => {
      await Promise.all([a.start(), b.start()])
      const [first, second] = await Promise.all([
        a.json<{ address: string }>("identity", "create", "ann"),
        b.json<{ address: string }>("identity", "create", "bob"),
      ])
      expect(first.address).toMatch(/^[a-z2-7]{52}\.b32\.i2p$/)
      expect(second.address).not.toBe(first.address)
    })

    it("B asks A to become contacts, A accepts", async () => {
      const { uri } = await a.json<{ uri: string }>("contact", "card")
      await b.json("contact", "add", uri, "ann", "--greeting", "It is me")
      const [asking] = await eventually(
        () => a.call<(Contact & { greeting: string })[]>("contact list"),
        (list) => list.length === 1,
        world.patienceMs,
      )
      expect(asking).toMatchObject({ state: "asking", greeting: "It is me" })
      await a.json("contact", "accept", asking?.name ?? "")
      await eventually(
        () => contactOf(b, "ann"),
        (one) => one?.state === "accepted",
        world.patienceMs,
      )
    })

    it("text goes both ways, and is delivered when it says so", async () => {
      const toB = (await a.call<Contact[]>("contact list"))[0]?.name ?? ""
      const sent = await a.json<Message>("message", "send", toB, "hello bob", "--wait")
      expect(sent.state).toBe("delivered")
      expect(await received(b, "hello bob")).toBe(1)
      await b.json("message", "send", "ann", "hello ann", "--wait")
      expect(await received(a, "hello ann")).toBe(1)
    })

    it("a file arrives whole", async () => {
      const path = join(folder, "film.mkv")
      await writeFile(path, randomBytes(world.fileBytes))
      const toB = (await a.call<Contact[]>("contact list"))[0]?.name ?? ""
      await b.call("file auto", { contact: "ann", below: "1GiB" })
      await a.json("file", "send", toB, path, "--wait")
      const files = await b.call<FileTransfer[]>("file list")
      const arrived = files.find((one) => one.direction === "in" && one.state === "done")
      expect(await hashOf(arrived?.path ?? "")).toBe(await hashOf(path))
    })

    it("curl reads A's site through B's proxy, by its b32 name", async () => {
      const site = join(folder, "site")
      await mkdir(site, { recursive: true })
      await writeFile(join(site, "index.html"), "<h1>hello from an eepsite</h1>")
      const served = await a.json<{ address: string }>("site", "serve", site)
      siteAddress = served.address
      const { listens } = await b.json<{ listens: string }>(
        "tunnel",
        "add",
        "http-proxy",
        "--listen",
        "0",
      )
      const page = await eventually(
        () => curl(listens, `http://${siteAddress}/`),
        (body) => body.includes("<h1>"),
        world.patienceMs,
      )
      expect(page).toBe("<h1>hello from an eepsite</h1>")
    })

    it("kill -9 of A between send and delivered: the message arrives once", async () => {
      const toB = (await a.call<Contact[]>("contact list"))[0]?.name ?? ""
      b.signal("SIGSTOP")
      const { id, state } = await a.call<Message>("message send", { contact: toB, text: "once" })
      expect(state).toBe("queued")
      await a.kill()
      b.signal("SIGCONT")
      await a.start()
      await eventually(
        () => stateOf(a, id),
        (now) => now === "delivered",
        world.patienceMs,
      )
      expect(await received(b, "once")).toBe(1)
    })

    it("kill -9 of B in the middle of a file: it arrives whole, and once", async () => {
      const path = join(folder, "second.bin")
      await writeFile(path, randomBytes(world.fileBytes))
      const toB = (await a.call<Contact[]>("contact list"))[0]?.name ?? ""
      await eventually(
        () => contactOf(a, toB),
        (one) => one?.reachable === true,
        world.patienceMs,
      )
      const { id } = await a.call<FileTransfer>("file send", { contact: toB, path })
      const going = () => a.call<FileTransfer[]>("file list")
      await eventually(
        going,
        (list) => isUnderWay(list.find((one) => one.id === id)),
        world.patienceMs,
      )
      await b.kill()
      await b.start()
      await eventually(
        going,
        (list) => list.find((one) => one.id === id)?.state === "done",
        world.patienceMs,
      )
      const arrived = (await b.call<FileTransfer[]>("file list")).find((one) => one.id === id)
      expect(await hashOf(arrived?.path ?? "")).toBe(await hashOf(path))
      const folderOfB = join(arrived?.path ?? "", "..")
      expect((await readdir(folderOfB)).filter((name) => name.startsWith("second"))).toHaveLength(1)
    })

    it("the site has the same address after all that", async () => {
      const [site] = await a.call<{ address: string }[]>("site list")
      expect(site?.address).toBe(siteAddress)
    })

    it("A recovers by itself when its I2P router is restarted, and nothing is lost", async () => {
      const toB = (await a.call<Contact[]>("contact list"))[0]?.name ?? ""
      let id = ""
      await world.restartRouterOfA(async () => {
        const sent = await a.call<Message>("message send", { contact: toB, text: "in the dark" })
        id = sent.id
      })
      const returned = Date.now()
      await eventually(
        () => stateOf(a, id),
        (now) => now === "delivered",
        world.patienceMs,
      )
      console.log(`recovered ${((Date.now() - returned) / 1_000).toFixed(1)} s after the return`)
      expect(await received(b, "in the dark")).toBe(1)
      await b.json("message", "send", "ann", "welcome back", "--wait")
      expect(await received(a, "welcome back")).toBe(1)
    })
  })
}

function isUnderWay(transfer: FileTransfer | undefined): boolean {
  return transfer?.state === "transferring" && (transfer.doneBytes ?? transfer.done ?? 0) > 0
}

async function curl(proxy: string, url: string): Promise<string> {
  const args = ["--silent", "--max-time", "90", "--proxy", `http://${proxy}`, url]
  return (await run("curl", args).catch((error) => ({ stdout: String(error.stdout) }))).stdout
}
