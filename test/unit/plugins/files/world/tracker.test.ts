import { createHash } from "node:crypto"
import fc from "fast-check"
import { afterEach, describe, expect, it } from "vitest"
import {
  type Announce,
  announceUrl,
  decodeTrackerAnswer,
} from "../../../../../plugins/files/torrent/announce.ts"
import type { AnnounceQuery } from "../../../../../plugins/files/torrent/announce-query.ts"
import { RequestRate } from "../../../../../plugins/files/world/request-rate.ts"
import { decodeScrapeQuery, encodeScrape } from "../../../../../plugins/files/world/scrape.ts"
import { askTracker } from "../../../../../plugins/files/world/tracker-get.ts"
import { openTrackerServer } from "../../../../../plugins/files/world/tracker-server.ts"
import { TrackerSwarms } from "../../../../../plugins/files/world/tracker-swarms.ts"
import { seededChance } from "../../../../../src/base/random.ts"
import { Scope } from "../../../../../src/base/scope.ts"
import type { Session } from "../../../../../src/sam/session.ts"
import { FakeClock } from "../../../../support/fake-clock.ts"
import { openFakeNetwork } from "../../../../support/fake-session.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const infohash = Uint8Array.from({ length: 20 }, (_, index) => index * 13)
const escaped = Buffer.from(infohash).toString("hex").toUpperCase().replace(/../g, "%$&")
const { signal } = new AbortController()

let scope = new Scope()
afterEach(async () => {
  await scope.close()
  scope = new Scope()
})

function hashOf({ destination }: Session): Uint8Array {
  return new Uint8Array(createHash("sha256").update(destination.bytes).digest())
}

/** A tracker, and sessions that can reach it. */
function openTracker(admits: (infohash: Uint8Array) => boolean = () => true) {
  const network = openFakeNetwork()
  const clock = new FakeClock()
  const session = scope.use(network.open())
  const server = scope.use(openTrackerServer({ session, admits, clock, chance: seededChance(1) }))
  const url = `http://${session.destination.b32}/announce`
  return { network, clock, server, url, session }
}

function announceOf({ destination }: Session, more: Partial<Announce> = {}): Announce {
  return {
    ...{ infohash, peerId: new Uint8Array(20).fill(65), destination: destination.base64 },
    ...{ uploaded: 0, downloaded: 0, left: 0, event: "started", wanted: 24 },
    ...more,
  }
}

async function announce(from: Session, tracker: string, more: Partial<Announce> = {}) {
  const target = announceUrl("/announce", announceOf(from, more))
  return decodeTrackerAnswer(await askTracker(from, { tracker, target }, { signal }))
}

/** What comes back for bytes as another program sends them; the head ends where the body begins. */
async function sendRaw(from: Session, to: Session, text: string): Promise<Uint8Array> {
  const stream = await from.connect(to.destination.b32, { signal })
  stream.write(text)
  let answer = Buffer.alloc(0)
  for await (const chunk of stream) {
    answer = Buffer.concat([answer, chunk as Buffer])
    const [, length] = /content-length: (\d+)/i.exec(answer.toString("latin1")) ?? []
    const at = answer.indexOf("\r\n\r\n") + 4
    if (length !== undefined && at > 3 && answer.length >= at + Number(length)) break
  }
  stream.destroy()
  return new Uint8Array(answer.subarray(answer.indexOf("\r\n\r\n") + 4))
}

describe("a tracker of our own", () => {
  it("tells peers of each other, and counts them", async () => {
    const { network, url } = openTracker()
    const [seeder, leecher] = [scope.use(network.open()), scope.use(network.open())]
    await announce(seeder, url)
    const answer = await announce(leecher, url, { left: 9 })
    expect(answer).toMatchObject({ kind: "peers", complete: 1, incomplete: 1, intervalS: 300 })
    expect(answer.kind === "peers" && answer.peers).toEqual([{ hash: hashOf(seeder) }])
  })

  it("forgets who says that he goes, and who is silent for 75 minutes", async () => {
    const { network, url, clock, server } = openTracker()
    const peers = [1, 2, 3].map(() => scope.use(network.open()))
    for (const peer of peers) await announce(peer, url, { left: 9 })
    await announce(peers[0]!, url, { event: "stopped", left: 9 })
    expect(server.report()).toMatchObject({ torrents: 1, peers: 2 })
    await clock.pass(76 * 60_000)
    const swarms = new TrackerSwarms({ clock, chance: Math.random, admits: () => true })
    swarms.announce({ infohash, peerId: infohash, left: 1, wanted: 9 }, hashOf(peers[0]!))
    await clock.pass(76 * 60_000)
    swarms.sweep()
    expect([swarms.torrentCount, swarms.peerCount]).toEqual([0, 0])
  })

  it("refuses an announce for another destination than the stream's", async () => {
    const { network, url, server } = openTracker()
    const [one, other] = [scope.use(network.open()), scope.use(network.open())]
    const { base64 } = other.destination
    expect(await announce(one, url, { destination: base64 })).toMatchObject({ kind: "refused" })
    expect(server.report()).toMatchObject({ peers: 0, counts: { refused: 1 } })
  })

  it("refuses torrents that are not its owner's, when it is closed", async () => {
    const { network, url } = openTracker((hash) => hash[0] === 7)
    const peer = scope.use(network.open())
    expect(await announce(peer, url)).toMatchObject({ kind: "refused" })
    const own = new Uint8Array(20).fill(7)
    expect(await announce(peer, url, { infohash: own })).toMatchObject({ kind: "peers" })
  })

  it("answers each peer only so often", async () => {
    const { network, url, clock } = openTracker()
    const [greedy, calm] = [scope.use(network.open()), scope.use(network.open())]
    const kinds = []
    for (let count = 0; count < 66; count++) kinds.push((await announce(greedy, url)).kind)
    expect(kinds.indexOf("refused")).toBe(64)
    expect((await announce(calm, url)).kind).toBe("peers")
    await clock.pass(4_000)
    expect((await announce(greedy, url)).kind).toBe("peers")
  })

  it.each([
    [
      "I2PSnark",
      (dest: string) =>
        `GET /announce.php?info_hash=${escaped.toLowerCase()}&peer_id=%2d%72AAAAAAAAAAAAAAAAAA&port=6881&ip=${dest}.i2p` +
        "&uploaded=0&downloaded=0&left=3&compact=1&event=started&numwant=24 HTTP/1.1\r\nHost: t.i2p\r\nCache-Control: no-cache\r\n" +
        "Pragma: no-cache\r\nUser-Agent: MYOB/6.66 (AN/ON)\r\nConnection: close\r\n\r\n",
    ],
    [
      "libtorrent",
      (dest: string) =>
        `GET /announce?info_hash=${escaped.toLowerCase()}&peer_id=-LT2090-abcdefghijkl&port=1&uploaded=0&downloaded=0` +
        "&left=3&corrupt=0&key=0A1B2C3D&event=started&numwant=200&compact=1&no_peer_id=1" +
        `&ip=${dest}.i2p HTTP/1.1\r\nHost: t.i2p\r\nUser-Agent: libtorrent/2.0.9.0\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`,
    ],
    [
      "XD",
      (dest: string) =>
        `GET /a?compact=1&downloaded=0&event=started&info_hash=${escaped}&ip=${dest}.i2p&left=3&numwant=10` +
        `&peer_id=-XD0048-${"a".repeat(12)}&port=0&uploaded=0 HTTP/1.1\r\nHost: t.i2p:80\r\nUser-Agent: Go-http-client/1.1\r\n` +
        "Accept-Encoding: gzip\r\n\r\n",
    ],
  ])("understands %s", async (_, request) => {
    const { network, url, session } = openTracker()
    const [seeder, foreign] = [scope.use(network.open()), scope.use(network.open())]
    await announce(seeder, url)
    const body = await sendRaw(foreign, session, request(foreign.destination.base64))
    expect(decodeTrackerAnswer(body)).toEqual({
      ...{ kind: "peers", peers: [{ hash: hashOf(seeder) }], intervalS: 300 },
      ...{ complete: 1, incomplete: 1 },
    })
  })

  it.each([
    ["GET / HTTP/1.1\r\nHost: t\r\n\r\n", "ask /announce"],
    ["POST /announce HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", "this is a tracker"],
    ["GET /announce?info_hash=1 HTTP/1.1\r\nHost: t\r\n\r\n", "no infohash"],
    [
      `GET /announce?info_hash=${escaped}&peer_id=${"a".repeat(20)} HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: x\r\n\r\n`,
      "without a proxy",
    ],
  ])("refuses %j", async (request, answer) => {
    const { network, session } = openTracker()
    const body = await sendRaw(scope.use(network.open()), session, request)
    expect(Buffer.from(body).toString()).toContain(answer)
  })

  it("counts for who scrapes", async () => {
    const { network, url } = openTracker()
    const [seeder, leecher] = [scope.use(network.open()), scope.use(network.open())]
    await announce(seeder, url)
    await announce(leecher, url, { left: 9 })
    await announce(leecher, url, { left: 0, event: "completed" })
    const hash = Buffer.from(infohash).toString("hex").replace(/../g, "%$&")
    const asked = { tracker: url, target: `/scrape?info_hash=${hash}` }
    const bytes = await askTracker(leecher, asked, { signal })
    const counts = { complete: 2, incomplete: 0, downloaded: 1 }
    expect(bytes).toEqual(encodeScrape([[infohash, counts]]))
  })
})

describe("askTracker()", () => {
  /** A tracker that answers with these bytes, and closes. */
  function canned(...answers: string[]) {
    const network = openFakeNetwork()
    const [session, own] = [scope.use(network.open()), scope.use(network.open())]
    void (async () => {
      for await (const stream of session.incoming) {
        stream.once("data", () => stream.end(Buffer.from(answers.shift() ?? "", "latin1")))
      }
    })()
    const tracker = `http://${session.destination.b32}/a`
    return { own, tracker, ask: () => askTracker(own, { tracker, target: "/a?x" }, { signal }) }
  }
  const BODY = "d8:intervali3000e5:peers0:e"

  it.each([
    // opentracker writes no more than this; postman is PHP behind a server that sends chunks.
    [
      "opentracker",
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
    ],
    ["opentracker without length", `HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n${BODY}`],
    [
      "postman",
      `HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
    ],
  ])("reads the answer of %s", async (_, answer) => {
    expect(Buffer.from(await canned(answer).ask()).toString()).toBe(BODY)
  })

  it.each([
    ["out of I2P", "HTTP/1.1 302 Found\r\nLocation: http://example.org/a\r\n\r\n", "leads out"],
    ["as https", "HTTP/1.1 301 Moved\r\nLocation: https://t.i2p/a\r\n\r\n", "leads out"],
    ["with a fault", "HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", "it says 503"],
    [
      "compressed",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
      "compressed",
    ],
    ["too long", `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(300_000)}`, "too long"],
    ["cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "broke off"],
    ["not in HTTP", "hello\r\n\r\n", "broke off"],
    ["not at all", "", "broke off"],
  ])("refuses one that is answered %s", async (_, answer, message) => {
    await expect(canned(answer).ask()).rejects.toMatchObject({
      code: "BAD_TRACKER",
      message: expect.stringContaining(message),
    })
  })

  it("follows a redirect inside I2P, but not for ever", async () => {
    const away = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    const there = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
    expect(Buffer.from(await canned(away, there).ask()).toString()).toBe(BODY)
    await expect(canned(away, away, away, away, there).ask()).rejects.toMatchObject({
      code: "BAD_TRACKER",
    })
  })

  it("asks nobody outside I2P", async () => {
    const { own } = canned()
    const call = askTracker(own, { tracker: "http://example.org/a", target: "/a" }, { signal })
    await expect(call).rejects.toMatchObject({ code: "BAD_TRACKER" })
  })
})

describe("TrackerSwarms", () => {
  const query = (more: Partial<AnnounceQuery>): AnnounceQuery => ({
    ...{ infohash, peerId: infohash, left: 1, wanted: 50 },
    ...more,
  })
  const peer = (number: number) => {
    const hash = Buffer.alloc(32)
    hash.writeUInt32BE(number)
    return new Uint8Array(hash)
  }

  it("lets one peer announce 1,000 torrents, and one torrent have 2,000 peers", () => {
    const clock = new FakeClock()
    const swarms = new TrackerSwarms({ clock, chance: seededChance(1), admits: () => true })
    const torrent = (number: number) => peer(number).slice(0, 20)
    for (let number = 0; number < 1_000; number++)
      swarms.announce(query({ infohash: torrent(number) }), peer(1))
    expect(swarms.torrentCount).toBe(1_000)
    expect(swarms.announce(query({ infohash: torrent(1_000) }), peer(1)).kind).toBe("refused")
    for (let number = 2; number < 2_001; number++)
      swarms.announce(query({ infohash: torrent(0), wanted: 0 }), peer(number))
    expect(swarms.peerCount).toBe(1_000 + 1_999)
    expect(swarms.announce(query({ infohash: torrent(0) }), peer(9_999)).kind).toBe("refused")
  })

  it("counts right whatever is announced in whatever order", () => {
    const deeds = fc.array(
      fc.record({
        peer: fc.nat(4),
        torrent: fc.nat(2),
        left: fc.constantFrom(0, 1, undefined),
        event: fc.constantFrom("started", "stopped", "completed", undefined),
        passMs: fc.constantFrom(0, 0, 0, 80 * 60_000),
      }),
    )
    fc.assert(
      fc.property(deeds, (list) => {
        let nowMs = 0
        const clock = { monotonicMs: () => nowMs }
        const swarms = new TrackerSwarms({ clock, chance: seededChance(1), admits: () => true })
        const model = new Map<string, { left: number | undefined; atMs: number }>()
        for (const deed of list) {
          nowMs += deed.passMs
          swarms.sweep()
          for (const [key, { atMs }] of model) if (atMs < nowMs - 4_500_000) model.delete(key)
          const { left, event } = deed
          swarms.announce(
            {
              ...query({ infohash: new Uint8Array(20).fill(deed.torrent), wanted: 9 }),
              ...(event && { event }),
              ...{ left: left as number },
            },
            peer(deed.peer),
          )
          const key = `${deed.torrent}/${deed.peer}`
          if (event === "stopped") model.delete(key)
          else model.set(key, { left, atMs: nowMs })
        }
        expect(swarms.peerCount).toBe(model.size)
        for (const torrent of [0, 1, 2]) {
          const own = [...model].filter(([key]) => key.startsWith(`${torrent}/`))
          const complete = own.filter(([, { left }]) => left === 0).length
          const counts = swarms.counts(new Uint8Array(20).fill(torrent))
          expect(counts?.complete ?? 0).toBe(complete)
          expect(counts?.incomplete ?? 0).toBe(own.length - complete)
        }
      }),
      { numRuns: fuzzRuns(60) },
    )
  })
})

describe("scrape", () => {
  it("is answered as the example of BEP 48", () => {
    const counts = { complete: 5, incomplete: 10, downloaded: 50 }
    const ofBep =
      "d5:filesd20:....................d8:completei5e10:downloadedi50e10:incompletei10eeee"
    expect(encodeScrape([[Buffer.from(".".repeat(20)), counts]])).toEqual(
      new Uint8Array(Buffer.from(ofBep)),
    )
  })

  it("reads any query", () => {
    fc.assert(
      fc.property(fc.string(), (query) => {
        expect(decodeScrapeQuery(query).every((hash) => hash.length === 20)).toBe(true)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("RequestRate", () => {
  it("lets nobody use up what is for all", () => {
    const clock = new FakeClock()
    const each = { burst: 2, perSecond: 1 }
    const rate = new RequestRate(clock, { each, all: { burst: 5, perSecond: 1 } })
    const asked = ["a", "a", "a", "b", "b", "c", "c"].map((name) => rate.take(name))
    expect(asked).toEqual([true, true, false, true, true, true, false])
  })

  it("remembers only so many", async () => {
    const clock = new FakeClock()
    const each = { burst: 1, perSecond: 1 }
    const rate = new RequestRate(clock, { each, all: { burst: 1e9, perSecond: 1 } })
    for (let number = 0; number < 10_000; number++) rate.take(`${number}`)
    expect([rate.take("new"), rate.take("newer")]).toEqual([true, false])
    await clock.pass(2_000)
    expect([rate.take("new"), rate.take("newer")]).toEqual([true, true])
  })
})
