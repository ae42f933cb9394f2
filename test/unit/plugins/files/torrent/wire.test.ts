import { createHash, randomBytes } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  decodeExtendedHandshake,
  EXTENDED_HANDSHAKE,
  encodeExtendedHandshake,
} from "../../../../../plugins/files/torrent/extended.ts"
import { decodeHandshake, encodeHandshake } from "../../../../../plugins/files/torrent/handshake.ts"
import {
  decodeMessage,
  encodeMessage,
  type PeerMessage,
} from "../../../../../plugins/files/torrent/message.ts"
import {
  answerMetadata,
  decodeMetadata,
  encodeMetadata,
  METADATA_PAGE_BYTES,
  MetadataDraft,
} from "../../../../../plugins/files/torrent/metadata.ts"
import { readInfo, readTorrent } from "../../../../../plugins/files/torrent/metainfo.ts"
import {
  decodePeerExchange,
  EXCHANGE_EVERY_MS,
  encodePeerExchange,
} from "../../../../../plugins/files/torrent/peer-exchange.ts"
import { PeerReader, type PeerWords } from "../../../../../plugins/files/torrent/peer-reader.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { foreignContent, foreignTorrent, libtorrentBytes } from "./foreign.ts"

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"))
const fromHex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"))

function readAll(...chunks: Uint8Array[]): PeerWords[] {
  const reader = new PeerReader()
  return chunks.flatMap((chunk) => [...reader.push(chunk)])
}

describe("handshake", () => {
  const infohash = new Uint8Array(20).fill(1)
  const peerId = new Uint8Array(20).fill(2)

  it("is the one of I2PSnark, with metadata and without", () => {
    const head = "13426974546f7272656e742070726f746f636f6c"
    const tail = `${"01".repeat(20)}${"02".repeat(20)}`
    const snark = encodeHandshake({ infohash, peerId, isExtended: true, isFast: true })
    expect(snark).toEqual(fromHex(`${head}0000000000100004${tail}`))
    const magnet = encodeHandshake({ infohash, peerId, isExtended: true, isFast: false })
    expect(magnet).toEqual(fromHex(`${head}0000000000100000${tail}`))
  })

  it("reads XD's, which has no fast extension, and any reserved bit", () => {
    const xd = encodeHandshake({ infohash, peerId, isExtended: true, isFast: false })
    xd[20] = 0x80
    expect(decodeHandshake(xd)).toEqual({ infohash, peerId, isExtended: true, isFast: false })
  })

  it.each([["GET / HTTP/1.1\r\n"], ["\x13BitTorrent protocoX"], ["\x14"]])(
    "refuses %j at once",
    (text) => {
      expect(() => [...new PeerReader().push(bytes(text))]).toThrow(
        expect.objectContaining({ code: "PEER_PROTOCOL" }),
      )
    },
  )
})

describe("message", () => {
  it.each<[PeerMessage, string]>([
    [{ kind: "keep-alive" }, "00000000"],
    [{ kind: "choke" }, "00000001 00"],
    [{ kind: "unchoke" }, "00000001 01"],
    [{ kind: "interested" }, "00000001 02"],
    [{ kind: "not interested" }, "00000001 03"],
    [{ kind: "have", piece: 0x01020304 }, "00000005 04 01020304"],
    [{ kind: "bitfield", bits: fromHex("c0") }, "00000002 05 c0"],
    [
      { kind: "request", piece: 1, begin: 16_384, length: 16_384 },
      "0000000d 06 00000001 00004000 00004000",
    ],
    [
      { kind: "piece", piece: 1, begin: 2, bytes: fromHex("abcd") },
      "0000000b 07 00000001 00000002 abcd",
    ],
    [{ kind: "cancel", piece: 1, begin: 2, length: 3 }, "0000000d 08 00000001 00000002 00000003"],
    [{ kind: "port", port: 6_881 }, "00000003 09 1ae1"],
    [{ kind: "suggest", piece: 4_294_967_295 }, "00000005 0d ffffffff"],
    [{ kind: "have all" }, "00000001 0e"],
    [{ kind: "have none" }, "00000001 0f"],
    [{ kind: "reject", piece: 1, begin: 2, length: 3 }, "0000000d 10 00000001 00000002 00000003"],
    [{ kind: "allowed fast", piece: 7 }, "00000005 11 00000007"],
    [{ kind: "extended", id: 3, payload: bytes("de") }, "00000004 14 03 6465"],
  ])("%j is the same for I2PSnark, libtorrent and XD", (message, text) => {
    expect(encodeMessage(message)).toEqual(fromHex(text))
    expect(decodeMessage(fromHex(text).subarray(4))).toEqual(message)
  })

  it.each([
    "0000",
    "0400000001ff",
    "04",
    "06",
    "0600000001000000020000",
    "0700000001000000ff",
    "14",
    "0900",
  ])("refuses %s, which has not the length it must have", (text) => {
    expect(() => decodeMessage(fromHex(text))).toThrow(
      expect.objectContaining({ code: "PEER_PROTOCOL" }),
    )
  })

  it("passes over messages of later versions", () => {
    expect(decodeMessage(fromHex("15aabb"))).toEqual({ kind: "unknown", type: 21 })
  })
})

describe("PeerReader", () => {
  const recorded = libtorrentBytes()

  it("reads everything a libtorrent seeder sends", () => {
    const torrent = readTorrent(foreignTorrent("mktorrent-single"))
    const [first, ...messages] = readAll(recorded)
    expect(first).toMatchObject({
      kind: "handshake",
      handshake: { infohash: torrent.infohash, isExtended: true, isFast: true },
    })
    expect(messages.map(({ kind }) => kind)).toEqual([
      "extended",
      "have all",
      "unchoke",
      "extended",
      ...Array(5).fill("allowed fast"),
      "unchoke",
      "piece",
    ])
    const [handshake, page] = messages.filter((message) => message.kind === "extended")
    expect(handshake?.id).toBe(EXTENDED_HANDSHAKE)
    expect(decodeExtendedHandshake(handshake!.payload)).toEqual({
      ids: { ut_metadata: 2 },
      metadataBytes: torrent.info.length,
      requestsMax: 2_000,
      isUploadOnly: true,
    })
    expect(decodeMetadata(page!.payload)).toEqual({
      kind: "data",
      page: 0,
      totalBytes: torrent.info.length,
      bytes: torrent.info,
    })
    expect(messages.at(-1)).toEqual({
      kind: "piece",
      piece: 0,
      begin: 0,
      bytes: foreignContent("single").slice(0, 32),
    })
  })

  it("reads the same from any pieces", () => {
    const whole = readAll(recorded)
    fc.assert(
      fc.property(fc.array(fc.nat(recorded.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), recorded.length]
        const chunks = at.slice(1).map((end, index) => recorded.slice(at[index], end))
        expect(readAll(...chunks)).toEqual(whole)
      }),
      { numRuns: fuzzRuns(30) },
    )
    expect(readAll(...Array.from(recorded, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  it("refuses a message that is too long as soon as its length is there", () => {
    const head = encodeHandshake({
      infohash: new Uint8Array(20),
      peerId: new Uint8Array(20),
      isExtended: true,
      isFast: true,
    })
    const reader = new PeerReader()
    expect([...reader.push(head)]).toHaveLength(1)
    expect(() => [...reader.push(fromHex("10000000"))]).toThrow(/268435456 bytes/)
  })

  it("takes a long message in single bytes, and holds no more than has come", () => {
    const reader = new PeerReader()
    expect([...reader.push(libtorrentBytes().subarray(0, 68))]).toHaveLength(1)
    const block = new Uint8Array(randomBytes(16_384))
    const message = encodeMessage({ kind: "piece", piece: 0, begin: 0, bytes: block })
    let early = 0
    for (let at = 0; at < message.length - 1; at++)
      for (const _ of reader.push(message.subarray(at, at + 1))) early++
    expect([early, reader.pendingBytes]).toEqual([0, message.length - 1])
    const whole = [...reader.push(message.subarray(-1))]
    expect(whole).toEqual([{ kind: "piece", piece: 0, begin: 0, bytes: block }])
    expect(reader.pendingBytes).toBe(0)
  })

  it("keeps blocks in one place, each until the next words, and everything else for good", () => {
    const reader = new PeerReader()
    expect([...reader.push(libtorrentBytes().subarray(0, 68))]).toHaveLength(1)
    const bits = new Uint8Array(randomBytes(64))
    const blocks = [1, 2].map((value) => new Uint8Array(16_384).fill(value))
    const said: PeerMessage[] = [
      { kind: "bitfield", bits },
      ...blocks.map((block) => ({ kind: "piece", piece: 0, begin: 0, bytes: block }) as const),
    ]
    const heard: PeerWords[] = []
    for (const message of said) {
      const encoded = encodeMessage(message)
      for (const part of [encoded.subarray(0, 9), encoded.subarray(9)])
        for (const words of reader.push(part)) {
          expect(words).toEqual(message)
          heard.push(words)
        }
    }
    const rooms = heard.map((words) => words.kind === "piece" && words.bytes.buffer)
    expect(heard[0]).toEqual(said[0])
    expect([rooms[1] instanceof ArrayBuffer, rooms[1] === rooms[2]]).toEqual([true, true])
  })

  it("throws nothing but PEER_PROTOCOL, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const reader = new PeerReader()
        expect([...reader.push(recorded.subarray(0, 68))]).toHaveLength(1)
        try {
          for (const chunk of chunks)
            for (const word of reader.push(chunk)) expect(word.kind).toBeTypeOf("string")
        } catch (error) {
          expect(error).toMatchObject({ code: "PEER_PROTOCOL" })
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("extended handshake", () => {
  it("is the one of I2PSnark, byte for byte", () => {
    const snark = {
      ids: { ut_metadata: 1, i2p_pex: 2 },
      metadataBytes: 1_234,
      requestsMax: 8,
      isUploadOnly: false,
      client: "I2PSnark",
    }
    const text =
      "d1:md7:i2p_pexi2e11:ut_metadatai1ee13:metadata_sizei1234e1:pi6881e4:reqqi8e1:v8:I2PSnarke"
    expect(latin1(encodeExtendedHandshake(snark))).toBe(text)
    expect(decodeExtendedHandshake(bytes(text))).toEqual(snark)
  })

  it("of a private torrent names no extension", () => {
    const text = latin1(encodeExtendedHandshake({ ids: {}, requestsMax: 8, isUploadOnly: true }))
    expect(text).toBe("d1:mde1:pi6881e4:reqqi8e11:upload_onlyi1ee")
  })

  it.each([
    [
      "XD",
      "d1:md7:i2p_pexi1e11:ut_metadatai2ee13:metadata_sizei99e1:v8:XD-0.4.8e",
      {
        ids: { i2p_pex: 1, ut_metadata: 2 },
        metadataBytes: 99,
        requestsMax: 250,
        isUploadOnly: false,
        client: "XD-0.4.8",
      },
    ],
    [
      "libtorrent 2.1",
      "d12:complete_agoi-1e1:md7:i2p_pexi9e11:upload_onlyi3e11:ut_metadatai2ee4:reqqi500e1:v0:e",
      { ids: { i2p_pex: 9, ut_metadata: 2 }, requestsMax: 500, isUploadOnly: false },
    ],
    [
      "nonsense",
      "d1:md7:i2p_pexi0e11:ut_metadata1:xe13:metadata_sizei-1e4:reqqi0e1:vi1ee",
      { ids: {}, requestsMax: 250, isUploadOnly: false },
    ],
    [
      "metadata too long",
      "d1:mde13:metadata_sizei99999999999ee",
      { ids: {}, requestsMax: 250, isUploadOnly: false },
    ],
    [
      "an extension that is off",
      "d1:md7:i2p_pexi0eee",
      { ids: {}, requestsMax: 250, isUploadOnly: false },
    ],
  ])("reads %s", (_, text, handshake) =>
    expect(decodeExtendedHandshake(bytes(text))).toEqual(handshake),
  )
})

describe("peer exchange", () => {
  const [a, b] = [new Uint8Array(32).fill(0x61), new Uint8Array(32).fill(0x62)]

  it("is what libtorrent writes", () => {
    const text = latin1(encodePeerExchange({ added: [a, b], dropped: [] }))
    expect(text).toBe(
      `d5:added64:${"a".repeat(32)}${"b".repeat(32)}7:added.f2:\x00\x007:dropped0:e`,
    )
  })

  it.each([
    ["I2PSnark", `d5:added32:${"a".repeat(32)}e`, [a]],
    ["XD", `d5:added32:${"a".repeat(32)}7:dropped0:e`, [a]],
    ["half a hash", `d5:added40:${"a".repeat(40)}e`, [a]],
    ["the same peer twice", `d5:added64:${"a".repeat(64)}e`, [a]],
    ["a number", "d5:addedi5ee", []],
  ])("reads %s", (_, text, added) => {
    expect(decodePeerExchange(bytes(text))).toEqual({ added, dropped: [] })
  })

  it("is sent more rarely than libtorrent bears, which is five times a minute", () => {
    expect(EXCHANGE_EVERY_MS * 5).toBeGreaterThan(60_000)
  })

  it("writes at most 50 peers, and takes at most 200", () => {
    const many = Array.from({ length: 400 }, () => new Uint8Array(randomBytes(32)))
    expect(
      decodePeerExchange(encodePeerExchange({ added: many, dropped: many })).added,
    ).toHaveLength(50)
    const flood = Buffer.concat([Buffer.from("d5:added12800:"), ...many, Buffer.from("e")])
    expect(decodePeerExchange(flood).added).toHaveLength(200)
  })
})

describe("metadata exchange", () => {
  it("writes what I2PSnark and XD write", () => {
    expect(latin1(encodeMetadata({ kind: "request", page: 2 }))).toBe("d8:msg_typei0e5:piecei2ee")
    expect(latin1(answerMetadata(bytes("xyz"), 0))).toBe(
      "d8:msg_typei1e5:piecei0e10:total_sizei3eexyz",
    )
    expect(latin1(answerMetadata(undefined, 4))).toBe("d8:msg_typei2e5:piecei4ee")
    expect(latin1(answerMetadata(bytes("xyz"), 1))).toBe("d8:msg_typei2e5:piecei1ee")
  })

  it.each([
    "d8:msg_typei1e5:piecei0ee",
    `d8:msg_typei1e5:piecei0ee${"x".repeat(16_385)}`,
    "d8:msg_typei0e5:piecei0eex",
    "d8:msg_typei0ee",
    "d5:piecei0ee",
    "d8:msg_typei0e5:piecei99999ee",
    "d8:msg_typei0e5:piecei-1ee",
    "i1e",
    "",
  ])("refuses %j", (text) => {
    expect(() => decodeMetadata(bytes(text))).toThrow(
      expect.objectContaining({ code: "PEER_PROTOCOL" }),
    )
  })

  it("fetches an info dictionary page by page, in any order", () => {
    const info = new Uint8Array(randomBytes(METADATA_PAGE_BYTES * 2 + 7))
    const draft = new MetadataDraft(hashOf(info))
    draft.begin(info.length)
    expect(draft.missing).toEqual([0, 1, 2])
    for (const page of [2, 0]) expect(takePage(draft, "a", info, page)).toEqual({ kind: "more" })
    expect(takePage(draft, "a", info, 0)).toEqual({ kind: "not wanted" })
    expect(draft.take("a", 1, info.subarray(0, 5))).toEqual({ kind: "not wanted" })
    expect(takePage(draft, "b", info, 1)).toEqual({ kind: "whole", info })
  })

  it("names who sent it when it is wrong, and begins again", () => {
    const { info, infohash } = readTorrent(foreignTorrent("mktorrent-single"))
    const draft = new MetadataDraft(infohash)
    draft.begin(info.length)
    const wrong = info.slice()
    wrong[20] = 0
    expect(takePage(draft, "liar", wrong, 0)).toEqual({ kind: "wrong", sources: ["liar"] })
    expect(draft.missing).toEqual([0])
    const taken = takePage(draft, "honest", info, 0)
    expect(taken.kind === "whole" && readInfo(taken.info).name).toBe("single.bin")
  })

  function takePage(draft: MetadataDraft, peer: string, info: Uint8Array, page: number) {
    const message = decodeMetadata(answerMetadata(info, page))
    if (message.kind !== "data") throw new Error("no page")
    return draft.take(peer, page, message.bytes)
  }
})

describe("decoders of extended messages", () => {
  it.each([
    ["extended handshake", decodeExtendedHandshake],
    ["peer exchange", decodePeerExchange],
    ["metadata message", decodeMetadata],
  ])("throw nothing but PEER_PROTOCOL: %s", (_, decode) => {
    const texts = [
      "d1:md11:ut_metadatai3eee",
      "d8:msg_typei1e5:piecei0e10:total_sizei3eexyz",
      `d5:added32:${"a".repeat(32)}e`,
    ]
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(60), fc.nat(255), (text, at, byte) => {
        const damaged = bytes(text)
        damaged[at % damaged.length] = byte
        try {
          decode(damaged)
        } catch (error) {
          expect(error).toMatchObject({ code: "PEER_PROTOCOL" })
        }
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

function hashOf(info: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha1").update(info).digest())
}
