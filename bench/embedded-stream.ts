/**
 * Streams over the embedded network against plain loopback sockets, and a channel of a link against a bare stream.
 *
 * "Two processes" is how people have it: one `allium run` hosts the network and sends, another one receives. In
 * one process the embedded network moves every byte twice where a socket moves it once, on the same core.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto"
import { once } from "node:events"
import { connect } from "node:net"
import { createInterface } from "node:readline"
import type { Duplex } from "node:stream"
import { systemClock } from "../src/base/clock.ts"
import { separated } from "../src/base/ed25519.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../src/bridge/index.ts"
import { openLink } from "../src/link/open-link.ts"
import { openSupervisedSession, type SamStream, type Session } from "../src/sam/index.ts"
import { type Carried, carryOnce, type Ends, MIB, readBytes, writeBytes } from "./carry.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"
import { compareStreams } from "./sam-stream.ts"
import { openRelayed, openSockets } from "./sockets.ts"

/** How much is measured. */
export interface EmbeddedStreamSize {
  readonly rounds: number
  readonly mebibytes: number
}

export const bench: Bench = {
  title: "stream over the embedded network against plain loopback",
  run: () => measureEmbedded({ rounds: 15, mebibytes: 128 }),
}

const call = { signal: new AbortController().signal }

/** Measures; the goal is on the figure of two processes. */
export async function measureEmbedded(size: EmbeddedStreamSize): Promise<Figure[]> {
  await using scope = new Scope()
  const bridge = scope.use(await openEmbeddedBridge())
  return [
    ...(await twoProcesses(bridge, size, scope)),
    ...(await oneProcess(bridge, size, scope)),
    ...(await client(bridge, size)),
  ]
}

/** What `allium/sam` costs beside SAM by hand, where nothing else is slow. */
async function client(
  { address }: EmbeddedBridge,
  { rounds, mebibytes }: EmbeddedStreamSize,
): Promise<Figure[]> {
  const size = { pairs: rounds, mebibytes, foreign: 1 }
  const figures = await compareStreams(address.port, address.port, size)
  return figures.map((one) => ({ ...one, what: `client: ${one.what}` }))
}

async function twoProcesses(
  bridge: EmbeddedBridge,
  { rounds, mebibytes }: EmbeddedStreamSize,
  scope: Scope,
): Promise<Figure[]> {
  const byteCount = mebibytes * MIB
  const tcp = await openFarEnd(["tcp", String(byteCount)], scope)
  const sam = await openFarEnd(["sam", String(byteCount), String(bridge.address.port)], scope)
  const near = await openSession(bridge, scope)
  const contenders = {
    loopback: async () => push(await dial(Number(tcp)), byteCount),
    embedded: async () => push(await near.connect(sam, call), byteCount),
  }
  await alternate(1, contenders)
  const { loopback, embedded } = await alternate(rounds, contenders)
  return [
    figure("two processes: loopback socket", loopback, "MiB/s"),
    figure("two processes: embedded network", embedded, "MiB/s"),
    figure("two processes: ratio", ratios(embedded, loopback), "", { least: 0.5 }),
  ]
}

async function oneProcess(
  bridge: EmbeddedBridge,
  { rounds, mebibytes }: EmbeddedStreamSize,
  scope: Scope,
): Promise<Figure[]> {
  const [near, far] = await Promise.all([openSession(bridge, scope), openSession(bridge, scope)])
  const incoming = far.incoming[Symbol.asyncIterator]()
  const meet = () => openEnds(near, far, incoming)
  const byteCount = mebibytes * MIB
  const contenders = {
    loopback: () => carryOnce(openSockets, byteCount),
    relay: () => carryOnce(openRelayed, byteCount),
    embedded: () => carryOnce(meet, byteCount),
    link: () => carryOnce(async () => openChannel(await meet()), byteCount),
  }
  await alternate(1, contenders)
  const results = await alternate(rounds, contenders)
  const speed = (which: keyof typeof results) =>
    results[which].map((one: Carried) => one.mebibytesPerSecond)
  const compare = (above: keyof typeof results, below: keyof typeof results) =>
    figure(`one process: ${above} to ${below}`, ratios(speed(above), speed(below)), "")
  return [
    figure("one process: loopback socket", speed("loopback"), "MiB/s"),
    figure("one process: relay, two sockets and pipe()", speed("relay"), "MiB/s"),
    figure("one process: embedded network", speed("embedded"), "MiB/s"),
    figure("one process: channel of a link over it", speed("link"), "MiB/s"),
    compare("relay", "loopback"),
    compare("embedded", "loopback"),
    compare("embedded", "relay"),
    compare("link", "embedded"),
  ]
}

/** MiB/s until the far end says that it has all. */
async function push(stream: Duplex, byteCount: number): Promise<number> {
  const startMs = performance.now()
  await Promise.all([readBytes(stream, 1, call), writeBytes(stream, byteCount, call)])
  const seconds = (performance.now() - startMs) / 1_000
  stream.destroy()
  return byteCount / MIB / seconds
}

/** Starts the far end. @returns What it printed. */
async function openFarEnd(args: readonly string[], scope: Scope): Promise<string> {
  const program = new URL("./far-end.ts", import.meta.url).pathname
  const all = ["--conditions=source", "--import", "tsx", program, ...args]
  const child: ChildProcess = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] })
  scope.defer(() => void child.kill("SIGKILL"))
  const [line] = await once(createInterface({ input: child.stdout! }), "line")
  return line
}

async function dial(port: number): Promise<Duplex> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true })
  await once(socket, "connect")
  return socket
}

async function openSession({ address }: EmbeddedBridge, scope: Scope): Promise<Session> {
  const { host, port } = address
  const session = scope.use(openSupervisedSession({ bridge: { host, port }, keys: "transient" }))
  await session.ready(call)
  return session
}

async function openEnds(
  near: Session,
  far: Session,
  incoming: AsyncIterator<SamStream>,
): Promise<{ from: SamStream; to: SamStream }> {
  const [{ value: to }, from] = await Promise.all([
    incoming.next(),
    near.connect(far.destination.base64, call),
  ])
  return { from, to }
}

/** A link over a stream, and one channel of it. */
async function openChannel({ from, to }: { from: SamStream; to: SamStream }): Promise<Ends> {
  const own = { clock: systemClock, random: systemRandom, log: silentLog, ...call }
  const [near, far] = [makeSigner(), makeSigner()]
  const [caller, answerer] = await Promise.all([
    openLink({
      ...own,
      identity: near,
      destination: to.peer,
      stream: from,
      role: "out",
      expectedPeer: far.publicKey,
    }),
    openLink({ ...own, identity: far, destination: from.peer, stream: to, role: "in" }),
  ])
  const channel = await caller.open("/bench/1", call)
  const { value: taken } = await answerer.incoming[Symbol.asyncIterator]().next()
  return { from: endWith(channel, from), to: endWith(taken, to) }
}

function endWith<T extends Duplex>(channel: T, stream: Duplex): T {
  channel.on("error", () => {})
  channel.once("close", () => stream.destroy())
  return channel
}

function makeSigner() {
  const head = Buffer.from("302e020100300506032b657004220420", "hex")
  const der = Buffer.concat([head, randomBytes(32)])
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  const publicKey = new Uint8Array(
    createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32),
  )
  return {
    publicKey,
    sign: (domain: string, message: Uint8Array) => sign(null, separated(domain, message), key),
  }
}
