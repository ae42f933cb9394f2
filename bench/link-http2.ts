/**
 * Link frames of our own against Node's HTTP/2, over the same kinds of stream: bytes on the wire, memory,
 * speed. The result is in `docs/decisions/0007-link-frames.md`.
 *
 * Run: `npm run bench link-http2`
 *
 * @module
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { once } from "node:events"
import * as http2 from "node:http2"
import { connect, createServer, type Socket } from "node:net"
import { Duplex, Readable } from "node:stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { systemClock } from "../src/base/clock.ts"
import { separated } from "../src/base/ed25519.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import type { LinkStream } from "../src/link/exchange.ts"
import { openLink } from "../src/link/open-link.ts"
import { type Bench, type Figure, median } from "./figure.ts"

const MIB = 1_048_576
/** What the speed is measured with, in MiB. */
const BULK_MIB = 256

/** Either protocol, as the measurements below use it. */
interface Contender {
  /** Opens a stream of bytes within the connection; the other side takes it. */
  open(): Promise<{ near: Duplex; far: Duplex }>
  close(): void
}

type Contending = (near: Duplex, far: Duplex) => Promise<Contender>

const http2Contender: Contending = async (near, far) => {
  const server = http2.performServerHandshake(far, WINDOWS)
  const client = http2.connect("http://peer", { createConnection: () => near, ...WINDOWS })
  await once(client, "remoteSettings")
  client.setLocalWindowSize(8 * MIB)
  server.setLocalWindowSize(8 * MIB)
  return {
    async open() {
      const request = client.request(
        { ":method": "POST", ":path": "/messages/1" },
        { endStream: false },
      )
      const [stream]: [http2.ServerHttp2Stream] = await take(server, "stream")
      stream.respond({ ":status": 200 })
      return { near: request, far: stream }
    },
    close() {
      client.destroy()
      server.destroy()
    },
  }
}
/** The same windows as a link has. */
const WINDOWS = { settings: { initialWindowSize: 262_144 } }

const linkContender: Contending = async (near, far) => {
  const signal = new AbortController().signal
  const own = { clock: systemClock, random: systemRandom, log: silentLog, signal }
  const ends = [makeEnd(1), makeEnd(2)] as const
  const nearStream = Object.assign(near, { peer: ends[1].destination }) as LinkStream
  const farStream = Object.assign(far, { peer: ends[0].destination }) as LinkStream
  const expectedPeer = ends[1].identity.publicKey
  const [caller, answerer] = await Promise.all([
    openLink({ ...own, ...ends[0], stream: nearStream, role: "out", expectedPeer }),
    openLink({ ...own, ...ends[1], stream: farStream, role: "in" }),
  ])
  const incoming = answerer.incoming[Symbol.asyncIterator]()
  return {
    async open() {
      const channel = caller.open("/messages/1", { signal })
      const taken = await incoming.next()
      return { near: channel, far: taken.value! }
    },
    close() {
      near.destroy()
      far.destroy()
    },
  }
}

function makeEnd(byte: number) {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex")
  const der = Buffer.concat([prefix, Buffer.alloc(32, byte)])
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  const { x } = createPublicKey(key).export({ format: "jwk" })
  const publicKey = new Uint8Array(Buffer.from(x!, "base64url"))
  const bytes = new Uint8Array(391).fill(byte)
  return {
    identity: {
      publicKey,
      sign: (domain: string, message: Uint8Array) => sign(null, separated(domain, message), key),
    },
    destination: { bytes, base64: "", b32: "" },
  }
}

/** A Duplex in memory, as a stream that is no socket. */
class Tube extends Duplex {
  other!: Tube
  #waiting: (() => void) | undefined

  override _read(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.other.push(chunk)) setImmediate(done)
    else this.other.#waiting = done
  }

  override _final(done: () => void): void {
    this.other.push(null)
    done()
  }
}

function openTubes(): Promise<[Duplex, Duplex]> {
  const [near, far] = [new Tube(), new Tube()]
  near.other = far
  far.other = near
  return Promise.resolve([near, far])
}

async function openSockets(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const near = connect({ port, host: "127.0.0.1", noDelay: true })
  const [far]: [Socket] = await take(server, "connection")
  server.close()
  return [near, far]
}

async function take<T extends unknown[]>(from: NodeJS.EventEmitter, event: string): Promise<T> {
  return (await once(from, event)) as T
}

/** Bytes both ways for each deed. */
async function measureWire(contending: Contending): Promise<Record<string, number>> {
  const [near, far] = await openSockets()
  let before = 0
  const spent = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const total = near.bytesWritten + near.bytesRead
    const bytes = total - before
    before = total
    return bytes
  }
  const contender = await contending(near, far)
  const handshake = await spent()
  const firstChannel = await contender.open()
  const first = await spent()
  const channel = await contender.open()
  const second = await spent()
  channel.near.write(Buffer.alloc(64))
  await once(channel.far, "data")
  const message = await spent()
  channel.near.write(Buffer.alloc(65_536))
  await spent()
  channel.near.write(Buffer.alloc(65_536))
  const bulk = await spent()
  for (const one of [firstChannel, channel]) {
    one.far.resume().end()
    one.near.resume().end()
  }
  const ends = (await spent()) / 2
  contender.close()
  return {
    handshake,
    "first channel": first,
    "later channel": second,
    "message of 64 bytes": message,
    "64 KiB": bulk,
    "both ends of a channel": ends,
  }
}

/** Heap and buffers of both ends together, in KiB: an idle link, and what 100 open channels add. */
async function measureMemory(contending: Contending): Promise<{ idle: number; hundred: number }> {
  const ends = await Promise.all(Array.from({ length: LINKS }, openSockets))
  const bare = await used()
  const contenders = await Promise.all(ends.map((pair) => contending(...pair)))
  const idle = await used()
  const held: unknown[] = []
  for (const contender of contenders)
    for (let count = 0; count < 100; count++) held.push(await contender.open())
  const hundred = await used()
  for (const contender of contenders) contender.close()
  if (held.length !== LINKS * 100) throw new Error("Cannot measure: channels are missing")
  return { idle: Math.round((idle - bare) / LINKS), hundred: Math.round((hundred - idle) / LINKS) }
}
/** Enough that one link's memory shows above the noise. */
const LINKS = 20

async function used(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 200))
  const collect = runInNewContext("gc") as () => void
  for (let round = 0; round < 4; round++) collect()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024
}

/** Seconds to carry the bytes. */
async function measureSpeed(near: Duplex, far: Duplex): Promise<number> {
  const chunk = Buffer.alloc(65_536, 7)
  const chunks = (BULK_MIB * MIB) / chunk.length
  const source = Readable.from(
    (function* () {
      for (let count = 0; count < chunks; count++) yield chunk
    })(),
    { objectMode: true },
  )
  const startMs = performance.now()
  source.pipe(near, { end: false })
  let byteCount = 0
  for await (const bytes of far.iterator({ destroyOnReturn: false })) {
    byteCount += (bytes as Buffer).length
    if (byteCount === BULK_MIB * MIB) break
  }
  return (performance.now() - startMs) / 1000
}

/** Speed as a share of the bare stream's, each measured in alternation. */
async function compareSpeed(name: string, openEnds: () => Promise<[Duplex, Duplex]>) {
  const ratios = new Map<string, number[]>(CONTENDERS.map(([title]) => [title, []]))
  for (let round = 0; round < ROUNDS; round++) {
    const ends = await openEnds()
    const bare = await measureSpeed(...ends)
    for (const end of ends) end.destroy()
    for (const [title, contending] of CONTENDERS) {
      const [left, right] = await openEnds()
      const contender = await contending(left, right)
      const { near, far } = await contender.open()
      ratios.get(title)!.push(bare / (await measureSpeed(near, far)))
      contender.close()
      for (const end of [left, right]) end.destroy()
    }
  }
  return [...ratios].map(([title, all]): Figure => {
    return { what: `${title}: ${BULK_MIB} MiB over ${name}`, value: median(all), unit: "of bare" }
  })
}
const ROUNDS = 3

const CONTENDERS: readonly (readonly [string, Contending])[] = [
  ["http2", http2Contender],
  ["link", linkContender],
]

/** Bytes and memory of one contender. */
async function measureSizes(title: string, contending: Contending): Promise<Figure[]> {
  const wire = await measureWire(contending)
  await measureMemory(contending) // once to warm up: compiled code is not a link's memory
  const memory = await measureMemory(contending)
  return [
    ...Object.entries(wire).map(([what, value]) => {
      return { what: `${title}: ${what}, both ways`, value, unit: "bytes" }
    }),
    { what: `${title}: memory of an idle link`, value: memory.idle, unit: "KiB" },
    { what: `${title}: memory of 100 channels more`, value: memory.hundred, unit: "KiB" },
  ]
}

/** See the module. */
export const bench: Bench = {
  title: "link frames against HTTP/2, both ends in this process",
  async run() {
    setFlagsFromString("--expose-gc")
    const figures: Figure[] = []
    for (const [title, contending] of CONTENDERS)
      figures.push(...(await measureSizes(title, contending)))
    figures.push(...(await compareSpeed("a loopback socket", openSockets)))
    figures.push(...(await compareSpeed("a Duplex in memory", openTubes)))
    return figures
  },
}
