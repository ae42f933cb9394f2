/**
 * Key files are made by the layout of the specification (destination, crypto key, signing key), which i2pd's
 * and Java I2P's files share; configuration is as the routers' own examples have it.
 */
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import { generateKeys } from "../../../src/bridge/keys.ts"
import { createRouter, type Router } from "../../../src/router/router.ts"
import { parseTunnelConfig } from "../../../src/router/tunnel-config-files.ts"
import { planTunnel } from "../../../src/router/tunnel-config-map.ts"
import type { TunnelReport } from "../../../src/router/tunnel-host.ts"
import type { ImportLine } from "../../../src/router/tunnel-import.ts"
import { decodeBase64 } from "../../../src/sam/base64.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { httpServer } from "../../../tunnels/http-server/index.ts"
import { ircClient } from "../../../tunnels/irc-client/index.ts"
import { ircServer } from "../../../tunnels/irc-server/index.ts"
import { socks } from "../../../tunnels/socks/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const FRIEND = "a".repeat(52)
const FRIEND_HASH = `${"A".repeat(43)}=`

/** As `contrib/tunnels.conf` of i2pd, with what people add. */
const TUNNELS_CONF = `
# IRC
[IRC-ILITA]
type = client
address = 127.0.0.1
port = 0
destination = irc.ilita.i2p
destinationport = 6667
keys = client.dat
inbound.length = 2
colour = blue

[web]
type = http
host = 127.0.0.1
port = 8081
keys = web.dat
hostoverride = my.example
accesslist = ${FRIEND}
; a comment

[ssh]
type = server
host = 127.0.0.1
port = 22
inport = 22
keys = server.dat
enableuniquelocal = true

[ssh-backup]
type = server
host = 127.0.0.1
port = 8022
inport = 8022
keys = server.dat

[old]
type = websocks
port = 7666
`

/** As Java I2P's installer writes it. */
const I2PTUNNEL_CONFIG = `
tunnel.0.name=I2P HTTP Proxy
tunnel.0.type=httpclient
tunnel.0.sharedClient=true
tunnel.0.interface=127.0.0.1
tunnel.0.listenPort=0
tunnel.0.proxyList=false.i2p
tunnel.0.startOnLoad=true
tunnel.0.option.inbound.length=3
tunnel.0.option.i2cp.delayOpen=true
tunnel.3.name=I2P webserver
tunnel.3.description=My eepsite
tunnel.3.type=httpserver
tunnel.3.targetHost=127.0.0.1
tunnel.3.targetPort=7658
tunnel.3.spoofedHost=mysite.i2p
tunnel.3.privKeyFile=eepsite/eepPriv.dat
tunnel.3.startOnLoad=false
tunnel.3.option.maxPosts=3
tunnel.3.option.postCheckTime=300
tunnel.3.option.i2p.streaming.maxConnsPerMinute=30
tunnel.3.option.i2cp.enableAccessList=true
tunnel.3.option.i2cp.accessList=${FRIEND_HASH}
`

const CHAT_CONF = `
[my-socks]
type = socks
address = 127.0.0.1
port = 0
keys = transient
[my-irc]
type = irc
host = 127.0.0.1
port = 6667
keys = irc.dat
`

const CHAT_CONFIG = `
tunnel.0.name=java-socks
tunnel.0.type=sockstunnel
tunnel.0.interface=127.0.0.1
tunnel.0.listenPort=0
tunnel.0.option.i2ptunnel.socks.proxy.default=false.i2p
tunnel.1.name=irc2p
tunnel.1.type=ircclient
tunnel.1.interface=127.0.0.1
tunnel.1.listenPort=0
tunnel.1.targetDestination=irc.postman.i2p,irc.echelon.i2p
tunnel.1.privKeyFile=chat.dat
tunnel.1.option.i2ptunnel.ircclient.enableDCC=true
tunnel.2.name=ircd
tunnel.2.type=ircserver
tunnel.2.targetHost=127.0.0.1
tunnel.2.targetPort=6669
tunnel.2.option.ircserver.method=webirc
tunnel.2.option.ircserver.webircPassword=secret-word
`

describe("tunnel import", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let router: Router
  const addresses = new Map<string, string>()

  const open = () =>
    createRouter({
      home: join(folder, "home"),
      network: { choice: "embedded", sam: bridge.address },
      plugins: [],
      tunnels: [httpProxy, httpServer, ircClient, ircServer, socks, tcpClient, tcpServer],
    })
  const ask = async <T>(verb: string, input: Record<string, unknown> = {}) => {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await router.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as T
  }
  const take = (file: string, more = {}) =>
    ask<ImportLine[]>("tunnel import", { file: join(folder, file), ...more })
  const show = (name: string) => ask<TunnelReport>("tunnel show", { name })
  const fateOf = (told: ImportLine[], tunnel: string, key: string) =>
    told.find((line) => line.tunnel === tunnel && line.key === key)

  const writeKeys = async (path: string, signatureType: number) => {
    const keys = generateKeys(signatureType, (count) => randomBytes(count))
    await writeFile(join(folder, path), decodeBase64(keys.privateBase64))
    addresses.set(path, keys.destination.b32)
  }

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    folder = await mkdtemp(join(tmpdir(), "allium-import-"))
    await mkdir(join(folder, "java", "eepsite"), { recursive: true })
    await writeKeys("client.dat", 7)
    await writeKeys("web.dat", 1)
    await writeKeys("server.dat", 7)
    await writeKeys("java/eepsite/eepPriv.dat", 0)
    await writeFile(join(folder, "tunnels.conf"), TUNNELS_CONF)
    await writeFile(join(folder, "java", "i2ptunnel.config"), I2PTUNNEL_CONFIG)
    router = await open()
  })
  afterAll(async () => {
    await router[Symbol.asyncDispose]()
    await bridge[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it("changes nothing until it is to be applied, and tells of every line", async () => {
    const told = await take("tunnels.conf")
    expect(await ask("tunnel list")).toEqual([])
    const lines = TUNNELS_CONF.split("\n").flatMap((row, index) =>
      /^[a-z[]/i.test(row) ? [index + 1] : [],
    )
    expect([...new Set(told.map(({ line }) => line))].sort((a, b) => a - b)).toEqual(lines)
    expect(fateOf(told, "web", "[tunnel]")?.says).toContain(addresses.get("web.dat"))
    expect(fateOf(told, "irc-ilita", "colour")?.fate).toBe("refused")
    expect(fateOf(told, "irc-ilita", "inbound.length")?.fate).toBe("ignored")
    expect(fateOf(told, "old", "[tunnel]")).toMatchObject({ fate: "refused" })
    expect(fateOf(told, "old", "[tunnel]")?.says).toContain("websocks")
  })

  it("A17: tunnels of i2pd have the same address afterwards, also after a restart", async () => {
    const told = await take("tunnels.conf", { apply: true })
    expect(told.filter(({ fate }) => fate === "added").map(({ tunnel }) => tunnel)).toEqual([
      "irc-ilita",
      "web",
      "ssh",
    ])
    for (const turn of ["first", "after a restart"]) {
      expect((await show("web")).address, turn).toBe(addresses.get("web.dat"))
      expect((await show("ssh")).address, turn).toBe(addresses.get("server.dat"))
      await router[Symbol.asyncDispose]()
      router = await open()
    }
    expect((await show("web")).options).toMatchObject({
      expose: "127.0.0.1:8081",
      host: "my.example",
      allow: [`${FRIEND}.b32.i2p`],
    })
    expect((await show("ssh")).options).toMatchObject({
      expose: ["8022 -> 127.0.0.1:8022", "22 -> 127.0.0.1:22"],
      clientAddress: "loopback",
    })
    expect((await show("irc-ilita")).options).toMatchObject({
      to: ["irc.ilita.i2p"],
      toPort: 6667,
      keys: "persistent",
    })
  })

  it("A17: tunnels of Java I2P too, with keys of another signature type, stopped ones stopped", async () => {
    await take("java/i2ptunnel.config", { apply: true })
    const site = await show("i2p-webserver")
    expect(site).toMatchObject({
      state: "stopped",
      options: {
        host: "mysite.i2p",
        postRate: "3/300",
        connectionRate: "30/60",
        allow: [`${"a".repeat(52)}.b32.i2p`],
      },
    })
    const { address, state } = await ask<TunnelReport>("tunnel start", { name: "i2p-webserver" })
    expect({ address, state }).toEqual({
      address: addresses.get("java/eepsite/eepPriv.dat"),
      state: "open",
    })
    expect((await show("i2p-http-proxy")).options).toMatchObject({
      lazy: true,
      outproxy: ["false.i2p"],
    })
    const { sessions } = await ask<{ sessions: { owner: string; state: string }[] }>("status")
    expect(sessions.map(({ owner }) => owner)).toContain("tunnel i2p-webserver")
  })

  it("a dry run says which keys are in use here, and by whom", async () => {
    const told = await take("tunnels.conf")
    const web = fateOf(told, "web-2", "[tunnel]")
    expect(web).toMatchObject({ fate: "refused" })
    expect(web?.says).toMatch(/tunnel web of this router.*DESTINATION_TAKEN/)
    await ask("tunnel stop", { name: "web" })
    expect(fateOf(await take("tunnels.conf"), "web-2", "[tunnel]")).toMatchObject(web ?? {})
    await ask("tunnel start", { name: "web" })
  })

  it("takes SOCKS and IRC of both routers", async () => {
    await writeKeys("irc.dat", 7)
    await writeKeys("chat.dat", 7)
    await writeFile(join(folder, "chat.conf"), CHAT_CONF)
    await take("chat.conf", { apply: true })
    await writeFile(join(folder, "chat.config"), CHAT_CONFIG)
    const told = await take("chat.config", { apply: true })
    expect((await show("my-socks")).options).toMatchObject({ allowLan: false })
    const server = await show("my-irc")
    expect(server).toMatchObject({ kind: "irc-server", address: addresses.get("irc.dat") })
    expect(server.options).toMatchObject({ expose: "127.0.0.1:6667" })
    expect((await show("java-socks")).kind).toBe("socks")
    expect(await show("irc2p")).toMatchObject({
      kind: "irc-client",
      options: { to: ["irc.postman.i2p", "irc.echelon.i2p"], keys: "persistent" },
    })
    const { sessions } = await ask<{ sessions: { address: string }[] }>("status")
    expect(sessions.map(({ address }) => address)).toContain(addresses.get("chat.dat"))
    expect((await show("ircd")).options).toMatchObject({ expose: "127.0.0.1:6669" })
    const refused = told.filter(({ fate }) => fate === "refused").map(({ key }) => key)
    expect(refused).toEqual([
      "option.i2ptunnel.socks.proxy.default",
      "option.i2ptunnel.ircclient.enableDCC",
      "option.ircserver.method",
      "option.ircserver.webircPassword",
    ])
    expect(JSON.stringify(told)).not.toContain("secret-word")
  })

  it("never opens one key twice: what is here already is refused", async () => {
    const told = await take("tunnels.conf", { apply: true })
    expect(fateOf(told, "web-2", "[tunnel]")).toMatchObject({ fate: "refused" })
    expect((await show("web")).state).toBe("open")
  })

  it("keys leave no trace outside the sealed store, and none when removed", async () => {
    await ask("tunnel remove", { name: "web" })
    const told = await take("tunnels.conf", { apply: true })
    const again = told.find(({ fate, says }) => fate === "added" && says.includes("http-server"))
    expect(again?.says).toContain(addresses.get("web.dat"))
    expect(JSON.stringify(told)).not.toContain(
      (await readFile(join(folder, "web.dat"))).subarray(-32).toString("base64"),
    )
  })

  it.each([
    ["cut short", (keys: Buffer) => keys.subarray(0, 400)],
    ["too long", (keys: Buffer) => Buffer.concat([keys, Buffer.alloc(1)])],
    ["empty", () => Buffer.alloc(0)],
    ["huge", () => Buffer.alloc(100_000)],
  ])("refuses key files that are %s, and takes the other tunnels", async (_, damage) => {
    const keys = await readFile(join(folder, "server.dat"))
    await writeFile(join(folder, "bad.dat"), damage(keys))
    const bad =
      "[bad]\ntype=server\nport=80\nkeys=bad.dat\n[good]\ntype=server\nport=81\nkeys=transient\n"
    await writeFile(join(folder, "bad.conf"), bad)
    const told = await take("bad.conf")
    expect(fateOf(told, "bad", "[tunnel]")?.fate).toBe("refused")
    expect(fateOf(told, "good", "[tunnel]")?.fate).toBe("mapped")
  })

  it.each([
    ["a file that is not there", "nowhere.conf", "NOT_FOUND"],
    ["a file without tunnels", "empty.conf", "BAD_INPUT"],
  ])("refuses %s", async (_, file, code) => {
    await writeFile(join(folder, "empty.conf"), "# nothing\n")
    await expect(take(file)).rejects.toMatchObject({ code })
  })
})

describe("planTunnel()", () => {
  const plan = (type: string, ...rows: string[]) =>
    planTunnel(parseTunnelConfig(`[one]\ntype=${type}\nport=80\n${rows.join("\n")}`).tunnels[0]!)

  it.each([
    "i2cp.leaseSetType = 5",
    "i2cp.leaseSetAuthType = 1",
    "i2cp.leaseSetClient.dh.123 = alice:AAAA",
    "i2cp.leaseSetPrivKey = AAAA",
    "option.i2cp.leaseSetSecret = AAAA",
    "option.i2cp.encryptLeaseSet = true",
  ])("does not make a site public that was not: %s", (row) => {
    const { stopped, fates } = plan("server", row)
    expect({ stopped, fate: fates.at(-1)?.fate }).toEqual({ stopped: true, fate: "refused" })
    expect(plan("client", row).fates.at(-1)?.fate).toBe("refused")
  })

  it.each([
    "i2cp.leaseSetType = 3",
    "i2cp.leaseSetAuthType = 0",
    "i2cp.leaseSetEncType = 4,0",
    "option.i2cp.encryptLeaseSet = false",
  ])("takes a site that is open to all as it is: %s", (row) => {
    const { stopped, fates } = plan("server", row)
    expect({ stopped, fate: fates.at(-1)?.fate }).toEqual({ stopped: false, fate: "ignored" })
  })

  it("gives every line of any file a fate, and never throws", () => {
    const word = fc.constantFrom(
      ...["type", "name", "keys", "port", "tunnel.1.type", "tunnel.1.option.maxPosts", "__proto__"],
      ...[
        "option.i2cp.accessList",
        "server",
        "client",
        "http",
        "constructor",
        "[x]",
        "=",
        "#",
        "\r\n",
      ],
    )
    const text = fc.array(fc.oneof(word, fc.string()), { maxLength: 40 })
    const join = fc.constantFrom("=", "\n", " = ", "")
    fc.assert(
      fc.property(text, join, (words, glue) => {
        const { tunnels } = parseTunnelConfig(words.join(glue))
        for (const tunnel of tunnels)
          expect(planTunnel(tunnel).fates.map(({ line }) => line)).toEqual(
            tunnel.lines.map(({ line }) => line),
          )
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})
