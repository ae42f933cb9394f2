import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import { ircClient } from "../../../tunnels/irc-client/index.ts"
import { ircServer } from "../../../tunnels/irc-server/index.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

/** All a connection says, as text. */
function listenTo(local: Socket): { text: string } {
  const heard = { text: "" }
  local.on("data", (chunk: Buffer) => {
    heard.text += chunk.toString("latin1")
  })
  return heard
}

describe("irc-client and irc-server on the embedded network", () => {
  const whole = new Scope()
  let network: FakeNetwork
  beforeAll(async () => {
    network = whole.use(await openEmbeddedNetwork())
  })
  afterAll(() => whole.close())
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  /** An IRC server that says nothing by itself, and a chat program on its way to it. */
  async function start(options: Record<string, unknown> = {}, password?: string) {
    const server = createServer().listen(0, "127.0.0.1")
    scope.defer(() => server.close())
    await once(server, "listening")
    const met = new Promise<Socket>((resolve) => {
      server.on("connection", (socket) => {
        scope.defer(() => socket.destroy())
        socket.on("error", () => {})
        resolve(socket)
      })
    })
    const farContext = scope.use(await openFakeTunnelContext(network))
    const webirc = join(farContext.folder, "webirc")
    if (password !== undefined) await writeFile(webirc, `${password}\n`)
    const expose = String((server.address() as AddressInfo).port)
    const chosen = { expose, lingerSeconds: 0, ...(password !== undefined && { webirc }) }
    const far = scope.use(await ircServer.open(farContext, ircServer.options.parse(chosen)))
    const nearContext = scope.use(await openFakeTunnelContext(network))
    const given = { to: [far.address], listen: "0", ...options }
    const near = scope.use(await ircClient.open(nearContext, ircClient.options.parse(given)))
    const program = connect({ host: "127.0.0.1", port: Number(near.listens!.split(":")[1]) })
    program.on("error", () => {})
    scope.defer(() => program.destroy())
    const session = await nearContext.session({ keys: "transient" })
    return { met, far, near, program, b32: session.destination.b32 }
  }

  const HELLO = "CAP LS 302\r\nNICK ann\r\nUSER root 10.0.0.7 srv :Ann Real\r\n"

  it("A10: WEBIRC names the client before it speaks, and nothing it says names it", async () => {
    const { met, program, b32 } = await start({}, "s3cret")
    program.write(HELLO)
    const { text } = await hearUntil(await met, "USER")
    expect(text).toMatch(
      new RegExp(`^WEBIRC s3cret i2p ${b32} fd[0-9a-f:]{37}\r\nCAP LS 302\r\nNICK ann\r\n`),
    )
    expect(text).toContain("USER user hostname localhost :user\r\n")
    expect(text).not.toMatch(/root|10\.0\.0\.7|Real/)
  })

  it("A10: without WEBIRC the host in USER is the client's, and USERHOST stays as it is", async () => {
    const { met, program, b32 } = await start()
    program.write(`${HELLO}USERHOST ann\r\n`)
    const { text } = await hearUntil(await met, "USERHOST")
    expect(text).toContain(`USER user ${b32} localhost :user\r\nUSERHOST ann\r\n`)
  })

  it("A10: SASL passes whole, in both directions and before anybody is let in", async () => {
    const { met, program } = await start({}, "s3cret")
    const secret = randomBytes(450).toString("base64")
    const chunks = [secret.slice(0, 400), secret.slice(400)]
    program.write(HELLO)
    const server = await met
    await hearUntil(server, "USER")
    server.write(":srv CAP * LS :sasl=PLAIN,EXTERNAL message-tags\r\n")
    await hearUntil(program, "LS")
    program.write("CAP REQ :sasl\r\nAUTHENTICATE PLAIN\r\n")
    const { text: asked } = await hearUntil(server, "AUTHENTICATE")
    expect(asked).toBe("CAP REQ sasl\r\nAUTHENTICATE PLAIN\r\n")
    server.write(":srv CAP ann ACK :sasl\r\nAUTHENTICATE +\r\n")
    const { text: told } = await hearUntil(program, "AUTHENTICATE")
    expect(told).toBe(":srv CAP ann ACK :sasl\r\nAUTHENTICATE +\r\n")
    program.write(`${chunks.map((chunk) => `AUTHENTICATE ${chunk}\r\n`).join("")}CAP END\r\n`)
    const { text: said } = await hearUntil(server, "CAP END")
    expect(said.replaceAll("AUTHENTICATE ", "").replaceAll("\r\n", "")).toBe(`${secret}CAP END`)
    server.write(":srv 903 ann :SASL authentication successful\r\n")
    expect((await hearUntil(program, "903")).text).toContain("successful")
  })

  it("A10: carries lines both ways, replaces farewells and answers", async () => {
    const { met, program } = await start()
    program.write(HELLO)
    const server = await met
    const heard = listenTo(server)
    server.write("PING :cookie\r\n:bob PRIVMSG ann :\x01VERSION\x01\r\n:bob PRIVMSG ann :hi\r\n")
    const { text } = await hearUntil(program, "hi")
    expect(text).toBe("PING 127.0.0.1\r\n:bob PRIVMSG ann :hi\r\n")
    program.write("PONG 127.0.0.1\r\nQUIT :WeeChat 4.1\r\n")
    await expect.poll(() => heard.text).toContain("PONG :cookie\r\nQUIT :leaving\r\n")
  })

  it("B15: lines in pieces, endless ones and NUL do not get past", async () => {
    const { met, program, near } = await start()
    const rude = `PRIVMSG a :\x01VERSION\x01\r\nNICK a\0b\r\n${"x".repeat(65_536)}\r\n`
    const whole = Buffer.from(`${HELLO}${rude}PRIVMSG #a :last\r\n`)
    for (let at = 0; at < whole.length; ) {
      const size = at < 300 ? 1 + (at % 3) : 9_000
      program.write(whole.subarray(at, at + size))
      at += size
      await new Promise(setImmediate)
    }
    const { text } = await hearUntil(await met, "last")
    expect(text).not.toMatch(/VERSION|xxx|b\r\n/)
    expect(near.counters().dropped).toBe(2)
  })

  it("B15: a client cannot say who it is to the server itself", async () => {
    const { met, far } = await start({}, "s3cret")
    const rude = scope.use(network.open())
    const stream = await rude.connect(far.address!, { signal: scope.signal })
    stream.on("error", () => {})
    stream.write("WEBIRC s3cret x evil 127.0.0.1\r\nNICK a\r\nUSER a b c :d\r\n")
    const { text } = await hearUntil(await met, "USER")
    expect(text.match(/WEBIRC/g)).toHaveLength(1)
    expect(text).toContain(rude.destination.b32)
  })

  it("B5: the server is not bothered before a client says who it is", async () => {
    const { program, far } = await start({ lingerSeconds: 1 })
    program.write("NICK ann\r\n")
    await expect.poll(() => far.counters().connections).toBe(1)
    program.write(randomBytes(8).toString("hex"))
    program.destroy()
    await expect.poll(() => far.counters()["failed.STREAM_LOST"], { timeout: 5_000 }).toBe(1)
  })

  async function hearUntil(local: Socket, word: string): Promise<{ text: string }> {
    const heard = listenTo(local)
    await expect.poll(() => heard.text, { timeout: 5_000 }).toMatch(new RegExp(`${word}.*\r\n`))
    return heard
  }
})
