import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import Wire from "bittorrent-protocol"
import { describe, expect, it } from "vitest"
import { SwarmRegistry } from "../../../plugins/files/swarm/index.ts"
import { Bitfield } from "../../../plugins/files/torrent/bitfield.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { makeTorrent, openPerson, type Person } from "../../support/swarm-people.ts"

/**
 * `bittorrent-protocol` speaks the wire of WebTorrent: not ours, and not written for I2P. What it does with torrents is in this file and
 * as simple as can be; what goes over the wire is its own.
 */
const torrent = makeTorrent(700_000)
const { infohash, info, geometry } = torrent.metainfo
const PAGE = 16_384

/** One stream of real sockets; `ours` goes to the swarm, by the registry or by `join()`. */
async function openStream(person: Person, weDial: boolean): Promise<Socket> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const dialled = connect((server.address() as AddressInfo).port, "127.0.0.1")
  const [accepted] = (await once(server, "connection")) as [Socket]
  server.close()
  const [ours, theirs] = weDial ? [dialled, accepted] : [accepted, dialled]
  theirs.on("error", () => {})
  if (weDial) void person.swarm.join(ours, { name: "foreign", outgoing: true })
  else {
    const registry = new SwarmRegistry(systemClock)
    registry.add(person.swarm)
    void registry.admit(ours, { name: "foreign" })
  }
  return theirs
}

/** Pages of metadata (BEP 9), on the foreign side. */
class Metadata {
  readonly #wire: Wire
  readonly #pages: Uint8Array[] = []
  onWhole: (info: Buffer) => void = () => {}
  constructor(wire: Wire) {
    this.#wire = wire
  }
  onExtendedHandshake({ metadata_size: size }: { metadata_size?: number }): void {
    if (size === undefined || this.#wire.isSeeder) return
    for (let page = 0; page * PAGE < size; page++)
      this.#wire.extended("ut_metadata", { msg_type: 0, piece: page })
  }
  onMessage(message: Uint8Array): void {
    const text = Buffer.from(message).toString("latin1")
    const page = Number(/5:piecei(\d+)e/.exec(text)?.[1])
    if (text.includes("8:msg_typei0e")) {
      const head = `d8:msg_typei1e5:piecei${page}e10:total_sizei${info.length}ee`
      const bytes = info.subarray(page * PAGE, (page + 1) * PAGE)
      this.#wire.extended("ut_metadata", Buffer.concat([Buffer.from(head), bytes]))
    } else {
      this.#pages[page] = message.subarray(text.indexOf("ee") + 2)
      if (this.#pages.filter(Boolean).length * PAGE >= info.length)
        this.onWhole(Buffer.concat(this.#pages))
    }
  }
}
Object.assign(Metadata.prototype, { name: "ut_metadata" })

interface Foreign {
  readonly wire: Wire
  readonly whole: Promise<Buffer>
}

function openForeign(socket: Socket, options: { isSeeder: boolean; weDial: boolean }): Foreign {
  const wire = new Wire()
  wire.isSeeder = options.isSeeder
  socket.pipe(wire).pipe(socket)
  wire.on("error", () => {})
  wire.use(Metadata)
  if (options.isSeeder) wire.extendedHandshake.metadata_size = info.length
  const whole = new Promise<Buffer>((resolve) => {
    wire.ut_metadata!.onWhole = resolve
  })
  const shake = () => wire.handshake(infohash, Buffer.from("-WW0001-012345678901"), { fast: true })
  wire.on("handshake", () => {
    if (options.weDial) shake()
    if (!options.isSeeder) return
    // Who does not know the metadata yet does not speak the fast extension.
    if (wire.hasFast) wire.haveAll()
    else wire.bitfield(Bitfield.full(geometry.pieceCount).toBytes())
    wire.unchoke()
  })
  if (!options.weDial) shake()
  return { wire, whole }
}

/** Gives what is asked for. */
function give({ wire }: Foreign): void {
  wire.on("request", (piece, offset, length, respond) => {
    const at = piece * geometry.pieceBytes + offset
    respond(null, torrent.bytes.subarray(at, at + length))
  })
}

/** Fetches everything, five blocks at a time. */
async function fetchAll({ wire }: Foreign): Promise<Buffer> {
  const blocks = Array.from({ length: geometry.pieceCount }, (_, piece) =>
    Array.from({ length: geometry.blocksOf(piece) }, (_, number) => geometry.block(piece, number)),
  ).flat()
  wire.interested()
  if (wire.peerChoking) await once(wire as never, "unchoke")
  const parts: Uint8Array[] = []
  let next = 0
  const lane = async () => {
    while (next < blocks.length) {
      const index = next++
      const { piece, begin, length } = blocks[index]!
      parts[index] = await new Promise((resolve, reject) =>
        wire.request(piece, begin, length, (error, bytes) =>
          error ? reject(error) : resolve(bytes!),
        ),
      )
    }
  }
  await Promise.all([lane(), lane(), lane(), lane(), lane()])
  return Buffer.concat(parts)
}

describe.each([{ weDial: true }, { weDial: false }])(
  "with bittorrent-protocol ($weDial)",
  (how) => {
    it.each([{ isFromMagnet: false }, { isFromMagnet: true }])(
      "fetches everything from it (%j)",
      async ({ isFromMagnet }) => {
        await using leech = openPerson(torrent, { isFromMagnet })
        if (!isFromMagnet) await leech.heard("changed")
        give(openForeign(await openStream(leech, how.weDial), { isSeeder: true, ...how }))
        await leech.heard("finished")
        expect(Buffer.from(leech.store.bytes).equals(torrent.bytes)).toBe(true)
        expect(leech.swarm.state()).toMatchObject({ wastedBytes: 0, bans: 0 })
      },
    )

    it("gives it the metadata, and everything", async () => {
      await using seeder = openPerson(torrent, { isSeeder: true })
      await seeder.heard("changed")
      const foreign = openForeign(await openStream(seeder, how.weDial), { isSeeder: false, ...how })
      const metadata = await foreign.whole
      expect(metadata.equals(info)).toBe(true)
      const bytes = await fetchAll(foreign)
      expect(bytes.equals(torrent.bytes)).toBe(true)
      expect(seeder.swarm.state()).toMatchObject({ upBytes: 700_000, bans: 0 })
      foreign.wire.destroy()
    })
  },
)
