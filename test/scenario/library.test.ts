/** One story on the embedded network: contacts look into a library, ask for things, and drop files into a folder. */
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { eventually, hashOf } from "../support/story.ts"

const PATIENCE_MS = 60_000

interface Found {
  readonly contact: string
  readonly path?: string
  readonly size?: number
  readonly reason?: string
}
interface Transfer {
  readonly id: string
  readonly state: string
  readonly path: string
  readonly done: number
  readonly direction: string
}

describe("ann's library on the embedded network", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let [ann, bob, carl]: AlliumProcess[] = []

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    folder = await mkdtemp(join(tmpdir(), "allium-library-"))
    const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    const people = ["ann", "bob", "carl"].map(
      (name) => new AlliumProcess(join(folder, name), network),
    )
    ;[ann, bob, carl] = people
    await Promise.all(people.map((one) => one.start()))
    await ann!.call("identity create", { name: "ann" })
    await bob!.call("identity create", { name: "bob" })
    await carl!.call("identity create", { name: "carl" })
    await meet(bob!, "bob")
    await meet(carl!, "carl")
    const holidays = join(folder, "Holidays")
    await mkdir(join(holidays, "Lake"), { recursive: true })
    await writeFile(join(holidays, "Lake", "one.jpg"), randomBytes(300_000))
    await writeFile(join(holidays, "two.txt"), randomBytes(70_001))
    await writeFile(join(holidays, ".hidden"), "not for anybody")
    await writeFile(join(folder, "song.ogg"), randomBytes(50_000))
  })
  afterAll(async () => {
    await Promise.all([ann?.stop(), bob?.stop(), carl?.stop()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** They become a contact of ann's under their name, and ann one of theirs. */
  async function meet(other: AlliumProcess, name: string): Promise<void> {
    const { uri } = await ann!.call<{ uri: string }>("contact card")
    await other.call("contact add", { uri, name: "ann" })
    const [asking] = await eventually(
      () => ann!.call<{ name: string; state: string }[]>("contact list"),
      (list) => list.some(({ state }) => state === "asking"),
      PATIENCE_MS,
    ).then((list) => list.filter(({ state }) => state === "asking"))
    await ann!.call("contact accept", { contact: asking!.name })
    if (asking!.name !== name) await ann!.call("contact rename", { contact: asking!.name, name })
    await eventually(
      () => other.call<{ state: string }[]>("contact list"),
      ([contact]) => contact?.state === "accepted",
      PATIENCE_MS,
    )
  }

  const browse = (who: AlliumProcess, path?: string) =>
    who.call<Found[]>("file browse", { contact: "ann", ...(path !== undefined && { path }) })
  const pathsOf = (found: readonly Found[]) => found.map(({ path }) => path).sort()
  const until = async (who: AlliumProcess, id: string, state: string): Promise<Transfer> => {
    const list = await eventually(
      () => who.call<Transfer[]>("file list"),
      (all) => all.some((one) => one.id === id && one.state === state),
      PATIENCE_MS,
    )
    return list.find((one) => one.id === id)!
  }

  it("shows nothing that she did not choose to show, and to nobody else", async () => {
    await ann!.call("file library add", { path: join(folder, "Holidays") })
    expect(await browse(bob!)).toEqual([])
    await ann!.call("file library add", { path: join(folder, "Holidays"), for: "bob" })
    await ann!.call("file library add", { path: join(folder, "song.ogg"), for: "all" })
    expect(pathsOf(await browse(bob!))).toEqual(["Holidays", "song.ogg"])
    expect(pathsOf(await browse(carl!))).toEqual(["song.ogg"])
    expect(pathsOf(await browse(bob!, "Holidays"))).toEqual(["Holidays/Lake", "Holidays/two.txt"])
    await expect(browse(carl!, "Holidays")).rejects.toThrow("NOT_FOUND")
    await expect(browse(bob!, "Holidays/.hidden")).rejects.toThrow("BAD_INPUT")
  })

  it("is searched by those who see it, and says who could not be asked", async () => {
    const search = (who: AlliumProcess, ...words: string[]) =>
      who.call<Found[]>("file search", { words })
    expect(pathsOf(await search(bob!, "LAKE"))).toEqual(["Holidays/Lake"])
    expect(await search(carl!, "lake")).toEqual([])
    expect(await search(carl!, "song")).toMatchObject([{ contact: "ann", path: "song.ogg" }])
  })

  it("gives what is asked for, as a transfer accepted already", async () => {
    const into = join(folder, "into")
    await mkdir(into)
    const path = "Holidays/Lake/one.jpg"
    const asked = await bob!.call<Transfer>("file ask", { contact: "ann", path, to: into })
    const done = await until(bob!, asked.id, "done")
    expect(done.path).toBe(join(into, "one.jpg"))
    expect(await hashOf(done.path)).toBe(await hashOf(join(folder, path)))
    const whole = await bob!.call<Transfer>("file ask", {
      contact: "ann",
      path: "Holidays",
      to: into,
    })
    await until(bob!, whole.id, "done")
    expect((await readdir(join(into, "Holidays"))).sort()).toEqual(["Lake", "two.txt"])
    await expect(carl!.call("file ask", { contact: "ann", path })).rejects.toThrow("NOT_FOUND")
  })

  it("leaves evidence of who said it", async () => {
    const evidence = join(folder, "evidence")
    await bob!.call("file search", { words: ["song"], evidence })
    // Carl, who was not there, checks it.
    const said = await carl!.call<{ said: string; path: string; to: string }[]>("file evidence", {
      path: evidence,
    })
    expect(said).toMatchObject([
      { from: "ann", asked: "search song", said: "has", path: "song.ogg" },
    ])
    expect(said[0]!.to).toMatch(/^[\w-]{43}$/)
    const bytes = await readFile(evidence)
    bytes[bytes.indexOf("song.ogg")]! ^= 1
    await writeFile(join(folder, "forged"), bytes)
    await expect(carl!.call("file evidence", { path: join(folder, "forged") })).rejects.toThrow(
      "BAD_RECORD",
    )
    await expect(bob!.call("file search", { words: ["song"], evidence })).rejects.toThrow(
      "ALREADY_EXISTS",
    )
  })

  it("shows no more what she takes out", async () => {
    await ann!.call("file library remove", { name: "Holidays" })
    expect(pathsOf(await browse(bob!))).toEqual(["song.ogg"])
  })

  it("bob's drop box takes two files of ann's, and no third", async () => {
    const box = join(folder, "box")
    await mkdir(box)
    await bob!.call("file receive", { folder: box, from: "ann", files: 2 })
    const send = () =>
      ann!.call<Transfer>("file send", { contact: "bob", path: join(folder, "song.ogg") })
    const [first, second] = [await send(), await send()]
    await until(bob!, first.id, "done")
    await until(bob!, second.id, "done")
    expect((await readdir(box)).sort()).toEqual(["song (1).ogg", "song.ogg"])
    const third = await send()
    await until(bob!, third.id, "offered")
    const [left] = await bob!.call<{ state: string; count: number }[]>("file receive")
    expect(left).toMatchObject({ state: "full", count: 2, taken: 100_000 })
  })

  it("bob plays the beginning and the end of a film while it comes, and then all of it", async () => {
    const path = join(folder, "film.mkv")
    const film = randomBytes(24 * 2 ** 20)
    await writeFile(path, film)
    await ann!.call("file limit", { up: "1MiB" })
    const { id } = await ann!.call<Transfer>("file send", { contact: "bob", path })
    await until(bob!, id, "offered")
    await bob!.call("file accept", { id })
    const [played] = await eventually(
      () => bob!.call<{ url: string; type: string }[]>("file play", { id }).catch(() => []),
      (list) => list.length === 1,
      PATIENCE_MS,
    )
    expect(played!.type).toBe("video/x-matroska")
    const part = async (range: string) => {
      const answer = await fetch(played!.url, { headers: { Range: range } })
      expect(answer.status).toBe(206)
      return Buffer.from(await answer.arrayBuffer())
    }
    const [head, tail] = [await part("bytes=0-199999"), await part("bytes=-300000")]
    const { done } = await until(bob!, id, "transferring")
    expect(done).toBeLessThan(film.length)
    expect(head.equals(film.subarray(0, 200_000))).toBe(true)
    expect(tail.equals(film.subarray(-300_000))).toBe(true)
    // Over the moment when it gets its name.
    const whole = fetch(played!.url).then((answer) => answer.arrayBuffer())
    await ann!.call("file limit", { up: "none" })
    expect(Buffer.from(await whole).equals(film)).toBe(true)
    await until(bob!, id, "done")
    expect((await part("bytes=5000000-5000099")).equals(film.subarray(5_000_000, 5_000_100))).toBe(
      true,
    )
    await bob!.call("file play", { id, stop: true })
    expect((await fetch(played!.url)).status).toBe(404)
  })

  it("carl gets a secret share by its link alone, once", async () => {
    const path = join(folder, "song.ogg")
    const wish = { paths: [path], secret: true, once: true, until: "7d" }
    const [shared] = await bob!.call<(Transfer & { magnet: string })[]>("file share", wish)
    const { id, magnet } = shared!
    expect(magnet).toMatch(
      /^allium-file:\?xt=urn:btih:[0-9a-f]{40}&dn=song.ogg&x.pe=.*&x.key=[\w-]{43}$/,
    )
    await expect(
      bob!.call("file share", { paths: [path], secret: true, tracker: ["own"] }),
    ).rejects.toThrow("BAD_INPUT")
    // Who knows where it is and what it is called, and not the key, hears nothing.
    const wrong = magnet.replace(/x\.key=../, "x.key=AA")
    await ann!.call("file get", { target: wrong })
    const into = join(folder, "secret")
    await mkdir(into)
    const got = await carl!.call<Transfer>("file get", { target: magnet, to: into })
    expect(got.id).toBe(id)
    await until(carl!, id, "seeding")
    expect(await hashOf(join(into, "song.ogg"))).toBe(await hashOf(path))
    await until(bob!, id, "done")
    const [stranger] = (await ann!.call<Transfer[]>("file list")).filter((one) => one.id === id)
    expect(stranger).toMatchObject({ state: "metadata", done: 0 })
  })

  it("a drop box that was stopped takes nothing", async () => {
    const box = join(folder, "box")
    await bob!.call("file receive", { folder: box, quota: "1MiB" })
    await bob!.call("file receive", { folder: box, stop: true })
    const path = join(folder, "song.ogg")
    const { id } = await ann!.call<Transfer>("file send", { contact: "bob", path })
    await until(bob!, id, "offered")
    expect(await bob!.call("file receive")).toEqual([])
  })
})
