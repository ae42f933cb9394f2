import { createHash } from "node:crypto"
import { chmod, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import { ed25519 } from "@noble/curves/ed25519.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { mnemonicToSeedSync } from "@scure/bip39"
import { describe, expect, it } from "vitest"
import { packValue } from "../../../src/base/pack.ts"
import { verifySignature } from "../../../src/identity/keys.ts"
import { type PURPOSE, secretFor } from "../../../src/identity/paths.ts"
import { seedOf } from "../../../src/identity/phrase.ts"
import { readDestinationKeys } from "../../../src/sam/private-keys.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openBook, openHome } from "./home.ts"

const NAMES = ["work", "play", "third"]
const text = (value: string) => new TextEncoder().encode(value)

/** The whole way from words to destination, by libraries this code does not use for it. */
function nobleDestination(phrase: string, identity: number): Uint8Array {
  let node = hmac(sha512, text("ed25519 seed"), mnemonicToSeedSync(phrase))
  for (const step of [7656, identity, 1, 0]) {
    const index = new Uint8Array(4)
    new DataView(index.buffer).setUint32(0, 0x80000000 + step)
    node = hmac(sha512, node.slice(32), Uint8Array.from([0, ...node.slice(0, 32), ...index]))
  }
  const from = (info: string) =>
    hkdf(sha256, node.slice(0, 32), text("i2p-dest/v1"), text(info), 32)
  const padding = Array.from({ length: 11 }, () => [...from("padding")]).flat()
  const publicKey = ed25519.getPublicKey(from("ed25519"))
  return Uint8Array.from([...padding, ...publicKey, 5, 0, 4, 0, 7, 0, 0])
}

describe("restore()", () => {
  it("gives the keys and destinations that Python and OpenSSL derived from the same words", async () => {
    const { book } = await openHome()
    await book.restore(vectors.phrase, NAMES)
    const found = book.list().map(({ index, key, destination }) => ({
      index,
      key,
      b32: destination.b32,
      destinationSha256: createHash("sha256").update(destination.bytes).digest("hex"),
    }))
    expect(found).toEqual(
      vectors.identities.map(({ index, key, b32, destinationSha256 }) => ({
        index,
        key,
        b32,
        destinationSha256,
      })),
    )
  })

  it("agrees with noble and scure on fresh words", async () => {
    const { book } = await openHome()
    const identities = [await book.create("a"), await book.create("b")]
    for (const { index, destination } of identities)
      expect(destination.bytes).toStrictEqual(nobleDestination(book.phrase(), index))
  })

  it("brings back on another machine what was made here", async () => {
    const here = await openHome()
    for (const name of NAMES) await here.book.create(name)
    const there = await openHome()
    await there.book.restore(`  ${here.book.phrase().toUpperCase().replaceAll(" ", " \n ")}`, NAMES)
    const facts = ({
      key,
      index,
      destination,
    }: {
      key: string
      index: number
      destination: { b32: string }
    }) => [key, index, destination.b32]
    expect(there.book.list().map(facts)).toEqual(here.book.list().map(facts))
    expect(there.book.find("play").destinationKeys()).toStrictEqual(
      here.book.find("play").destinationKeys(),
    )
  })

  it.each([
    { name: "23 words", phrase: `${"abandon ".repeat(22)}art`, message: "has 23 words" },
    { name: "an unknown word", phrase: `${"abandon ".repeat(23)}tulip`, message: "word 24 is not" },
    { name: "a wrong order", phrase: `art ${"abandon ".repeat(23)}`, message: "checksum" },
    { name: "nothing", phrase: "", message: "has 1 words" },
  ])("refuses $name with BAD_PHRASE, without repeating it", async ({ phrase, message }) => {
    const { book } = await openHome()
    const failure = await book.restore(phrase, ["a"]).catch((error: Error) => error)
    expect(failure).toMatchObject({ code: "BAD_PHRASE", message: expect.stringContaining(message) })
    expect(String(failure)).not.toMatch(/abandon|art\b|tulip/)
    expect(book.list()).toEqual([])
  })

  it("refuses on a book that has identities, or another phrase", async () => {
    const { book } = await openHome()
    await book.create("a")
    await expect(book.restore(vectors.phrase, ["b"])).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    expect(book.list().map(({ name }) => name)).toEqual(["a"])
  })
})

describe("create()", () => {
  it("keeps identities, and the first one as default, over a restart", async () => {
    const first = await openHome()
    for (const name of NAMES) await first.book.create(name)
    const keys = first.book.list().map(({ key }) => key)
    await first.store[Symbol.asyncDispose]()
    const { book } = await openHome(first.folder)
    expect(book.list().map(({ key }) => key)).toEqual(keys)
    expect(book.find().name).toBe("work")
    expect(book.phrase()).toBe(first.book.phrase())
  })

  it("gives 24 different words each time, and none before the first identity", async () => {
    const [one, other] = [await openHome(), await openHome()]
    expect(() => one.book.phrase()).toThrow(expect.objectContaining({ code: "NO_IDENTITY" }))
    expect(() => one.book.find()).toThrow(expect.objectContaining({ code: "NO_IDENTITY" }))
    await Promise.all([one.book.create("a"), other.book.create("a")])
    expect(one.book.phrase().split(" ")).toHaveLength(24)
    expect(one.book.phrase()).not.toBe(other.book.phrase())
  })

  it("refuses taken and unfit names, also when asked at the same time", async () => {
    const { book } = await openHome()
    const results = await Promise.allSettled([book.create("a"), book.create("a"), book.create("b")])
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"])
    await expect(book.create("a\u202e")).rejects.toMatchObject({ code: "BAD_INPUT" })
    expect(book.list().map(({ index }) => index)).toEqual([0, 1])
    expect(() => book.find("c")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }))
  })

  it("makes a private key file that is whole and belongs to the destination", async () => {
    const { book } = await openHome()
    const identity = await book.create("a")
    const { destination } = readDestinationKeys(identity.destinationKeys())
    expect(destination.b32).toBe(identity.destination.b32)
  })

  it("signs so that noble and verifySignature() agree, and only for its domain", async () => {
    const { book } = await openHome()
    const identity = await book.create("a")
    const signature = identity.sign("test/1", text("hello"))
    expect(signature).toHaveLength(64)
    expect(ed25519.verify(signature, text("test/1\0hello"), identity.publicKey)).toBe(true)
    expect(verifySignature(identity.publicKey, "test/1", text("hello"), signature)).toBe(true)
    expect(verifySignature(identity.publicKey, "test/2", text("hello"), signature)).toBe(false)
    expect(verifySignature(identity.publicKey, "test/1", text("hellO"), signature)).toBe(false)
    expect(() => identity.sign("a\0b", text(""))).toThrow(RangeError)
  })
})

describe("two identities of one phrase", () => {
  it("share no run of 16 bytes in anything that is public", async () => {
    const { book } = await openHome()
    const [one, other] = [await book.create("work"), await book.create("play")]
    const shown = await Promise.all(
      [one, other].map(async (identity) => [
        identity.publicKey,
        identity.destination.bytes,
        Buffer.from((await book.card(identity)).split(".")[2]!, "base64url"),
        ...Object.values(
          JSON.parse(
            Buffer.from((await book.card(identity)).split(".")[1]!, "base64url").toString(),
          ),
        )
          .filter((value) => typeof value === "string")
          .map((value) => text(value.replace(/\.b32\.i2p$/, ""))),
      ]),
    )
    const [mine, theirs] = shown.map((parts) => new Set(parts.flatMap(runs)))
    expect([...mine!].filter((run) => theirs!.has(run))).toEqual([])
  })

  it("derive the secret of every purpose as Python did", async () => {
    const seed = await seedOf(new Uint8Array(32))
    const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
    for (const { index, ...wanted } of vectors.identities) {
      const of = (purpose: keyof typeof PURPOSE) =>
        sha(secretFor(seed, { identity: index, purpose }))
      expect(of("backup")).toBe(wanted.backupSha256)
      expect(of("tower")).toBe(wanted.towerSha256)
      expect(of("agreement")).toBe(wanted.agreementSha256)
    }
  })
})

/** Every run of 16 bytes, but for the destination's certificate and lengths that all have. */
function runs(bytes: Uint8Array): string[] {
  const all = Buffer.from(bytes).toString("hex")
  return Array.from({ length: Math.max(0, bytes.length - 15) }, (_, at) =>
    all.slice(2 * at, 2 * at + 32),
  )
}

describe("openIdentityBook()", () => {
  const phraseFile = (folder: string) => join(folder, "keys", "phrase.sealed")

  it.each([
    { name: "empty", code: "KEY_FILE_DAMAGED", damage: (path: string) => truncate(path, 0) },
    { name: "4 bytes long", code: "KEY_FILE_DAMAGED", damage: (path: string) => truncate(path, 4) },
    {
      name: "cut by one byte",
      code: "KEY_FILE_DAMAGED",
      damage: (path: string) => truncate(path, 71),
    },
    {
      name: "one byte too long",
      code: "KEY_FILE_DAMAGED",
      damage: (path: string) => writeFile(path, "x", { flag: "a" }),
    },
    {
      name: "changed by one bit",
      code: "KEY_FILE_DAMAGED",
      damage: async (path: string) => {
        const bytes = await readFile(path)
        bytes[40]! ^= 1
        await writeFile(path, bytes)
      },
    },
    {
      name: "readable by others",
      code: "KEY_FILE_EXPOSED",
      damage: (path: string) => chmod(path, 0o644),
    },
  ])(
    "says $code when the phrase file is $name, and makes nothing new",
    async ({ code, damage }) => {
      const first = await openHome()
      await first.book.create("a")
      await first.store[Symbol.asyncDispose]()
      await damage(phraseFile(first.folder))
      const before = await readFile(phraseFile(first.folder))
      await expect(openHome(first.folder)).rejects.toMatchObject({ code })
      expect(await readFile(phraseFile(first.folder))).toEqual(before)
    },
  )

  it("writes a lost phrase file again from the store", async () => {
    const first = await openHome()
    const { key } = await first.book.create("a")
    await rm(phraseFile(first.folder))
    const again = await openBook(first.folder, first.store)
    expect(again.find().key).toBe(key)
    expect((await stat(phraseFile(first.folder))).mode & 0o777).toBe(0o600)
    expect((await stat(join(first.folder, "keys"))).mode & 0o777).toBe(0o700)
  })

  it("goes on with the phrase of the file when the store was lost", async () => {
    const first = await openHome()
    const { key } = await first.book.create("a")
    await first.store[Symbol.asyncDispose]()
    await rm(join(first.folder, "store"), { recursive: true })
    const { book } = await openHome(first.folder)
    expect(book.list()).toEqual([])
    expect((await book.create("again")).key).toBe(key)
  })

  it("says KEY_FILE_DAMAGED when file and store hold different phrases", async () => {
    const [one, other] = [await openHome(), await openHome()]
    await Promise.all([one.book.create("a"), other.book.create("a")])
    await writeFile(phraseFile(one.folder), await readFile(phraseFile(other.folder)))
    await expect(openBook(one.folder, one.store)).rejects.toMatchObject({
      code: "KEY_FILE_DAMAGED",
    })
  })

  it("shows no secret when an identity is printed, packed or searched for on disk", async () => {
    const { book, folder, store } = await openHome()
    const identity = await book.create("plantname")
    const seed = readDestinationKeys(identity.destinationKeys()).signingPrivateKey
    const shown = inspect(identity, { depth: 9 }) + JSON.stringify(identity)
    expect(shown).not.toContain(Buffer.from(seed).toString("hex"))
    expect(Object.keys(identity)).not.toContain("cardKeys")
    expect(() => packValue(identity)).toThrow(TypeError)
    await store[Symbol.asyncDispose]()
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    const all = Buffer.concat(
      await Promise.all(
        files
          .filter((file) => file.isFile())
          .map((file) => readFile(join(file.parentPath, file.name))),
      ),
    )
    const secrets = [
      "plantname",
      book.phrase(),
      book.phrase().split(" ").slice(0, 3).join(" "),
      identity.key,
      identity.destination.b32,
    ]
    for (const secret of secrets) expect(all.includes(secret)).toBe(false)
    expect(all.includes(Buffer.from(seed))).toBe(false)
  })
})
