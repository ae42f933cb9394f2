/**
 * What two routers leave behind after a full day: nothing that tells who they are, whom they know, or
 * what was said; and no key but the one file that is made for it.
 */
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { mnemonicToEntropy, mnemonicToSeed } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { decodeBase32 } from "../../src/base/base32.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { type PURPOSE, secretFor } from "../../src/identity/paths.ts"
import { decodeBase64 } from "../../src/sam/base64.ts"
import { readDestinationKeys } from "../../src/sam/private-keys.ts"
import { openVault } from "../../src/store/unlock.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { openSamTap, type SamTap } from "../support/sam-tap.ts"
import { eventually } from "../support/story.ts"
import { findTraces, type Place, placesIn, type Secret, secretText } from "../support/traces.ts"

const PATIENCE_MS = 30_000
/** What no text holds by chance. */
const mark = (what: string) => `${what}-${randomBytes(5).toString("hex")}`

/** What people typed that day. */
const said = {
  ann: mark("identity-ann"),
  work: mark("identity-work"),
  bob: mark("identity-bob"),
  contactOfA: mark("contact-of-a"),
  contactOfB: mark("contact-of-b"),
  greeting: mark("greeting"),
  ownName: mark("own-name"),
  text: mark("text-to-b"),
  reply: mark("text-to-a"),
  dark: mark("text-while-away"),
  file: `${mark("film")}.mkv`,
  site: mark("site"),
  petname: `${mark("petname")}.i2p`,
  passphrase: mark("passphrase"),
  wrongText: mark("wrong-text"),
}

describe("two routers after a full day", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let tap: SamTap
  let a: AlliumProcess
  let b: AlliumProcess
  let petAddress = ""
  const addresses: string[] = []
  const failures: string[] = []
  let secrets: Secret[]

  /** A request that must fail; its answer is kept. */
  const refused = async (who: AlliumProcess, verb: string, input: unknown): Promise<void> => {
    const { status, body } = await who.post(`/v1/${verb.replaceAll(" ", "/")}`, input)
    expect(status, `${verb} ${body}`).toBeGreaterThanOrEqual(400)
    failures.push(body)
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-secrets-"))
    bridge = await openEmbeddedBridge()
    tap = await openSamTap({ bridgePort: () => bridge.address.port })
    const passphraseFile = join(folder, "passphrase")
    await writeFile(passphraseFile, `${said.passphrase}\n`, { mode: 0o600 })
    const flags = [
      "--network",
      "embedded",
      "--sam",
      `127.0.0.1:${tap.port}`,
      "--log-level",
      "debug",
    ]
    a = new AlliumProcess(join(folder, "a"), [...flags, "--api-port", "0"])
    b = new AlliumProcess(join(folder, "b"), [...flags, "--passphrase-file", passphraseFile])
    await Promise.all([a.start(), b.start()])
    await meet()
    await talk()
    await provokeErrors()
    await crash()
    secrets = await everything()
  })
  afterAll(async () => {
    await Promise.all([a?.stop(), b?.stop()])
    await tap?.[Symbol.asyncDispose]()
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  async function meet(): Promise<void> {
    for (const [who, name] of [
      [a, said.ann],
      [a, said.work],
      [b, said.bob],
    ] as const)
      addresses.push((await who.call<{ address: string }>("identity create", { name })).address)
    const { uri } = await a.call<{ uri: string }>("contact card")
    const words = { greeting: said.greeting, as: said.ownName }
    await b.call("contact add", { uri, name: said.contactOfB, ...words })
    const list = () => a.call<{ name: string }[]>("contact list")
    await eventually(list, ({ length }) => length === 1, PATIENCE_MS)
    await a.call("contact rename", { contact: said.ownName, name: said.contactOfA })
    await a.call("contact accept", { contact: said.contactOfA })
    const state = async () => (await b.call<{ state: string }[]>("contact list"))[0]?.state
    await eventually(state, (now) => now === "accepted", PATIENCE_MS)
  }

  async function talk(): Promise<void> {
    await a.call("message send", { contact: said.contactOfA, text: said.text, wait: true })
    await b.call("message send", { contact: said.contactOfB, text: said.reply, wait: true })
    const path = join(folder, said.file)
    await writeFile(path, randomBytes(300_000))
    await b.call("file auto", { contact: said.contactOfB, below: "1MiB" })
    await a.call("file send", { contact: said.contactOfA, path, wait: true })
    const site = join(folder, said.site)
    await mkdir(site)
    await writeFile(join(site, "index.html"), "<h1>hello</h1>")
    const served = await a.call<{ address: string }>("site serve", { folder: site })
    const tunnel = { expose: "127.0.0.1:9", name: "ssh" }
    const server = await b.call<{ address: string }>("tunnel add tcp-server", tunnel)
    petAddress = served.address
    addresses.push(served.address, server.address)
    await b.call("name add", { name: said.petname, address: petAddress })
    await b.call("name lookup", { name: said.petname })
    const { listens } = await b.call<{ listens: string }>("tunnel add http-proxy", { listen: "0" })
    const page = () => throughProxy(listens, `http://${said.petname}/`)
    await eventually(page, (body) => body.includes("hello"), PATIENCE_MS)
    await b.call("tunnel add tcp-client", { to: [said.petname], keys: "persistent" })
  }

  async function provokeErrors(): Promise<void> {
    const words = (await a.call<{ words: string }>("identity phrase")).words
    const mixed = words.split(" ").toReversed().join(" ")
    const wrongAddress = petAddress.replace(/^./, "1")
    for (const [verb, input] of [
      ["identity create", { name: said.ann }],
      ["identity show", { name: said.contactOfA }],
      ["identity restore", { words, names: [said.ann] }],
      ["identity restore", { words: mixed, names: [said.ann] }],
      ["identity restore", { words: [words], names: said.ann }],
      ["contact add", { uri: `allium:${said.wrongText}`, name: said.ann }],
      ["contact accept", { contact: said.contactOfA }],
      ["contact refuse", { contact: said.contactOfA }],
      ["contact accept", { contact: said.work }],
      ["contact rename", { contact: said.contactOfA, name: "" }],
      ["contact list", { identity: said.contactOfA }],
      ["message send", { contact: said.work, text: said.text }],
      ["message send", { contact: said.contactOfA, text: said.wrongText.repeat(99_999) }],
      ["message send", { contact: said.contactOfA, text: said.text, surplus: 1 }],
      ["message list", { contact: said.work }],
      ["file send", { contact: said.contactOfA, path: join(folder, "gone", said.file) }],
      ["file send", { contact: said.contactOfA, path: said.file }],
      ["file send", { contact: said.work, path: join(folder, said.file) }],
      ["file accept", { id: "00" }],
      ["file auto", { contact: said.contactOfA, below: said.wrongText }],
      ["site serve", { folder: join(folder, "gone", said.site) }],
      ["site serve", { folder, name: said.site.slice(0, 32) }],
      ["site expose", { target: `${said.wrongText}:80` }],
      ["site remove", { name: said.contactOfA.slice(0, 32) }],
      ["name add", { name: said.petname, address: wrongAddress }],
      ["name lookup", { name: said.petname }],
      ["name remove", { name: said.petname }],
      ["tunnel show", { name: said.contactOfA.slice(0, 32) }],
      ["tunnel add tcp-client", { to: [] }],
      ["tunnel add tcp-client", { to: [petAddress], listen: said.wrongText }],
      ["tunnel add tcp-server", { expose: `${said.wrongText}:22` }],
      ["tunnel add tcp-server", { expose: "22", allow: [wrongAddress] }],
      ["message send", `{"contact":"${said.contactOfA}","text":"${said.wrongText}`],
    ] as const)
      await refused(a, verb, input)
    const taken = { name: said.petname, address: petAddress }
    await refused(b, "name add", taken)
    const blocked = { contact: said.contactOfB }
    await b.call("contact block", blocked)
    await refused(b, "message send", { ...blocked, text: said.wrongText })
    await refused(b, "file send", { ...blocked, path: join(folder, said.file) })
    await b.call("contact unblock", blocked)
  }

  async function crash(): Promise<void> {
    await b.kill()
    const { id } = await a.call<{ id: string }>("message send", {
      contact: said.contactOfA,
      text: said.dark,
    })
    await a.kill()
    await Promise.all([a.start(), b.start()])
    const sent = async () => {
      const list = await a.call<{ id: string; state: string }[]>("message list")
      return list.find((one) => one.id === id)?.state
    }
    await eventually(sent, (state) => state === "delivered", PATIENCE_MS)
  }

  /** Private keys of every session there was, as the bridge was told. */
  function sessionKeys(): Secret[] {
    const files = tap.commands("SESSION CREATE").map((values) => values.get("DESTINATION") ?? "")
    return [...new Set(files)].flatMap((text, index) => {
      const file = decodeBase64(text)
      const { signingPrivateKey, destination } = readDestinationKeys(file)
      return [
        { what: `private key of session ${index}`, bytes: signingPrivateKey },
        { what: `destination of session ${index}`, bytes: destination.bytes.subarray(0, 40) },
        { what: `signing key of session ${index}`, bytes: destination.bytes.subarray(352, 384) },
      ]
    })
  }

  /** Everything the words are good for. */
  async function phraseKeys(who: AlliumProcess, count: number): Promise<Secret[]> {
    const { words } = await who.call<{ words: string }>("identity phrase")
    const each = words.split(" ")
    const threes = each.slice(2).map((_, at) => each.slice(at, at + 3).join(" "))
    const seed = await mnemonicToSeed(words)
    const purposes: (keyof typeof PURPOSE)[] = [
      "identity",
      "destination",
      "backup",
      "tower",
      "agreement",
    ]
    const derived = Array.from({ length: count }, (_, identity) =>
      purposes.map((purpose) => ({
        what: `${purpose} key ${identity}`,
        bytes: secretFor(seed, { identity, purpose }),
      })),
    )
    return [
      ...threes.map((three) => secretText("three words of the phrase", three)),
      { what: "entropy", bytes: mnemonicToEntropy(words, wordlist) },
      { what: "seed", bytes: seed },
      ...derived.flat(),
    ]
  }

  function peopleAndWords(): Secret[] {
    const hashes = addresses.map((address) => ({
      what: "hash of an address",
      bytes: decodeBase32(address.slice(0, 52)) ?? new Uint8Array(),
    }))
    return [
      ...Object.entries(said).map(([what, text]) => secretText(what, text)),
      ...addresses.map((address) => secretText("address", address.slice(0, 52))),
      ...hashes,
    ]
  }

  async function masterKeys(): Promise<Secret[]> {
    const { passphrase } = said
    const [keyA, keyB] = await Promise.all([openVault(a.home), openVault(b.home, { passphrase })])
    return [
      { what: "master key of A", bytes: keyA.masterKey },
      { what: "master key of B", bytes: keyB.masterKey },
    ]
  }

  async function everything(): Promise<Secret[]> {
    const keys = [await phraseKeys(a, 2), await phraseKeys(b, 1), await masterKeys()].flat()
    return [...keys, ...sessionKeys(), ...peopleAndWords()]
  }

  it("has something to hide", () => {
    expect(secrets.every(({ bytes }) => bytes.length >= 10)).toBe(true)
    // 3 identities, a site, two tunnels with keys that stay, a proxy: and the restart knows six of them.
    expect(tap.commands("SESSION CREATE").length).toBeGreaterThanOrEqual(13)
    expect(failures).toHaveLength(36)
  })

  it("tells nothing in the folder of A, but for its key in vault.json", async () => {
    const places = await placesIn(a.home)
    expect(places.map(({ where }) => where)).toEqual(
      expect.arrayContaining(["allium.log", "vault.json", "keys/phrase.sealed"]),
    )
    expect(findTraces(places, secrets)).toEqual(["master key of A in vault.json"])
  })

  it("tells nothing in the folder of B, but for the file that was received", async () => {
    const found = findTraces(await placesIn(b.home), secrets)
    expect(found).toEqual(["file in names of files"])
    const received = join(b.home, "plugins", "files", "received", said.file)
    expect((await readFile(received)).length).toBe(300_000)
  })

  it("logged all that while", async () => {
    for (const who of [a, b]) {
      const log = await readFile(join(who.home, "allium.log"), "utf8")
      expect(log).toContain('"level":"debug"')
      expect(log).toContain("sam.session-up")
    }
  })

  it("prints nothing of it on standard output or standard error", () => {
    const places = [a, b].map((who): Place => ({ where: who.home, bytes: who.said }))
    expect(findTraces(places, secrets)).toEqual([])
    expect(places.every(({ bytes }) => bytes.includes("ready"))).toBe(true)
  })

  it("names nobody and quotes nothing in what it answers to errors", () => {
    const places = failures.map((body): Place => ({ where: body, bytes: Buffer.from(body) }))
    expect(findTraces(places, secrets)).toEqual([])
  })

  it("does not repeat wrong words of a phrase that were typed", async () => {
    const { words } = await a.call<{ words: string }>("identity phrase")
    const wrong = `${words} ${said.wrongText}`
    const args = ["identity", "restore", said.ann, "--words-file", "-"]
    const { exit, stdout, stderr } = await a.command(args, wrong)
    expect(exit).toBe(2)
    const places = [{ where: "output", bytes: Buffer.from(stdout + stderr) }]
    expect(findTraces(places, secrets)).toEqual([])
  })
})

async function throughProxy(proxy: string, url: string): Promise<string> {
  const { request } = await import("node:http")
  const [host, port] = proxy.split(":")
  return new Promise((resolve) => {
    const sent = request({ host, port, path: url, headers: { host: new URL(url).host } })
    sent.on("response", async (response) => {
      const { text } = await import("node:stream/consumers")
      resolve(await text(response))
    })
    sent.on("error", () => resolve(""))
    sent.end()
  })
}
