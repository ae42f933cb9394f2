import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Announce,
  announceUrl,
  decodeTrackerAnswer,
} from "../../../../../plugins/files/torrent/announce.ts"
import {
  decodeAnnounceQuery,
  encodeTrackerAnswer,
} from "../../../../../plugins/files/torrent/announce-query.ts"
import { encodeBencode } from "../../../../../plugins/files/torrent/bencode-write.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const POSTMAN = "http://tracker2.postman.i2p/announce.php"
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"))
/** 391 bytes: keys, and a certificate of 4 bytes. */
const DESTINATION = (() => {
  const binary = Buffer.alloc(391, 0xfb)
  binary.set([5, 0, 4, 0, 7, 0, 4], 384)
  return { binary, base64: binary.toString("base64").replaceAll("+", "-").replaceAll("/", "~") }
})()
const HASH = new Uint8Array(createHash("sha256").update(DESTINATION.binary).digest())
const announce: Announce = {
  infohash: Uint8Array.from({ length: 20 }, (_, index) => index * 13),
  peerId: bytes("-XX0000-abcdefghijkl"),
  destination: DESTINATION.base64,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: "started",
  wanted: 24,
}

describe("announceUrl()", () => {
  it("is the URL of I2PSnark, byte for byte", () => {
    expect(announceUrl(POSTMAN, announce)).toBe(
      `${POSTMAN}?info_hash=%00%0d%1a%274AN%5bhu%82%8f%9c%a9%b6%c3%d0%dd%ea%f7&peer_id=%2dXX0000%2dabcdefghijkl` +
        `&port=6881&ip=${DESTINATION.base64}.i2p&uploaded=1&downloaded=2&left=3&compact=1&event=started&numwant=24`,
    )
  })

  it("says left=1 while the metadata is not known, and appends to a query", () => {
    const { event: _, ...again } = { ...announce, left: undefined, wanted: 0 }
    expect(announceUrl("http://t.i2p/a?key=1", again)).toMatch(
      /^http:\/\/t\.i2p\/a\?key=1&info_hash=.*&left=1&compact=1&numwant=0$/,
    )
  })

  it("is read back by a tracker of our own", () => {
    const [, query = ""] = announceUrl(POSTMAN, announce).split("?")
    const { infohash, peerId, left, event, wanted } = announce
    expect(decodeAnnounceQuery(query)).toEqual({
      ...{ infohash, peerId, left, event, wanted },
      address: { hash: HASH, destination: DESTINATION.base64 },
    })
  })
})

describe("decodeAnnounceQuery()", () => {
  it.each([
    // As libtorrent and XD write them: upper case, other order, spaces as plus.
    [
      "libtorrent",
      `info_hash=${"%AB".repeat(20)}&peer_id=-LT2080-abcdefghijkl&port=1&corrupt=0&key=0A&compact=1`,
    ],
    [
      "XD",
      `compact=1&downloaded=0&info_hash=${"%AB".repeat(20)}&ip=x.i2p&peer_id=-XD-+${"a".repeat(15)}`,
    ],
  ])("reads what %s asks", (_, query) => {
    expect(decodeAnnounceQuery(query)).toMatchObject({
      infohash: new Uint8Array(20).fill(0xab),
      wanted: 50,
    })
  })

  it.each([
    "",
    "info_hash=abc",
    `info_hash=${"a".repeat(20)}`,
    `info_hash=${"a".repeat(21)}&peer_id=${"b".repeat(20)}`,
  ])("refuses %j", (query) => {
    expect(() => decodeAnnounceQuery(query)).toThrow(
      expect.objectContaining({ code: "BAD_TRACKER" }),
    )
  })
})

describe("decodeTrackerAnswer()", () => {
  it.each([
    ["compact", { peers: Buffer.concat([HASH, HASH]) }],
    ["compact with a rest", { peers: Buffer.concat([HASH, Buffer.from("abc")]) }],
    ["a list of hashes", { peers: [HASH, bytes("short"), 5] }],
    ["a name in base32", { peers: [{ ip: `${toBase32(HASH)}.b32.i2p`, port: 6_881 }] }],
  ])("reads peers: %s", (_, members) => {
    expect(decodeTrackerAnswer(encodeBencode({ interval: 1_000, ...members }))).toEqual({
      kind: "peers",
      intervalS: 1_000,
      peers: [{ hash: HASH }],
    })
  })

  it("reads dictionaries of destinations, and leaves out what is outside I2P", () => {
    const ips = [
      `${DESTINATION.base64}.i2p`,
      DESTINATION.base64,
      "192.0.2.1",
      "x.example",
      "AAAA.i2p",
    ]
    const peers = [
      ...ips.map((ip) => ({ "peer id": "x".repeat(20), ip, port: 6_881 })),
      {},
      { ip: 5 },
    ]
    expect(decodeTrackerAnswer(encodeBencode({ interval: 1_000, peers }))).toMatchObject({
      peers: [{ hash: HASH, destination: DESTINATION.base64 }],
    })
  })

  it.each([
    ["nothing", {}, 1_800],
    ["0", { interval: 0 }, 300],
    ["a second", { interval: 1 }, 300],
    ["less than its minimum", { interval: 400, "min interval": 500 }, 500],
    ["a year", { interval: 31_536_000 }, 21_600],
    ["a negative number", { interval: -5 }, 1_800],
    ["text", { interval: "60" }, 1_800],
  ])("bounds the interval: %s", (_, members, intervalS) => {
    expect(decodeTrackerAnswer(encodeBencode(members))).toEqual({
      kind: "peers",
      peers: [],
      intervalS,
    })
  })

  it("reads keys in any order, numbers of peers, and a warning", () => {
    const text = "d5:peers0:8:intervali900e8:completei3e10:incompletei4e15:warning message4:slowe"
    expect(decodeTrackerAnswer(bytes(text))).toEqual({
      ...{ kind: "peers", peers: [], intervalS: 900 },
      ...{ complete: 3, incomplete: 4, warning: "slow" },
    })
  })

  it("reads a refusal, with its words made harmless", () => {
    const reason = `unregistered\n\u202etorrent ${"x".repeat(1_000)}`
    const answer = decodeTrackerAnswer(encodeBencode({ "failure reason": reason, interval: 600 }))
    expect(answer).toMatchObject({ kind: "refused", intervalS: 600 })
    expect(answer.kind === "refused" && answer.reason).toMatch(/^unregistered torrent x{179}$/)
  })

  it.each(["", "<html>", "i5e", "le", "d", "d8:intervali60e", "x".repeat(300_000)])(
    "refuses %.20j",
    (text) => {
      expect(() => decodeTrackerAnswer(bytes(text))).toThrow(
        expect.objectContaining({ code: "BAD_TRACKER" }),
      )
    },
  )

  it("takes at most 1,000 peers", () => {
    const many = Array.from({ length: 2_000 }, (_, index) =>
      createHash("sha256").update(`${index}`).digest(),
    )
    for (const peers of [Buffer.concat(many), many]) {
      const answer = decodeTrackerAnswer(encodeBencode({ peers }))
      expect(answer.kind === "peers" && answer.peers.length).toBe(1_000)
    }
  })

  it("reads what our own tracker writes", () => {
    const answer = {
      kind: "peers",
      peers: [{ hash: HASH }],
      intervalS: 900,
      complete: 1,
      incomplete: 2,
      warning: "w",
    } as const
    expect(decodeTrackerAnswer(encodeTrackerAnswer(answer))).toEqual(answer)
    const refusal = { kind: "refused", reason: "no", intervalS: 900 } as const
    expect(decodeTrackerAnswer(encodeTrackerAnswer(refusal))).toEqual(refusal)
  })

  it("throws nothing but BAD_TRACKER", () => {
    const whole = encodeBencode({ interval: 60, peers: [{ ip: "a.i2p", port: 1 }], complete: 1 })
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), (at, byte) => {
        const damaged = whole.slice()
        damaged[at % damaged.length] = byte
        try {
          decodeTrackerAnswer(damaged)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_TRACKER" })
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

function toBase32(hash: Uint8Array): string {
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, "0")).join("")
  const letters = bits.padEnd(260, "0").match(/.{5}/g) ?? []
  return letters
    .map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)])
    .join("")
}
