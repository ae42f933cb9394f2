/** A peer that says whatever the test makes it say, byte by byte if need be. */

import type { Duplex } from "node:stream"
import { setImmediate as turn } from "node:timers/promises"
import type { PeerEnd } from "../../../../../plugins/files/swarm/index.ts"
import { encodeExtendedHandshake } from "../../../../../plugins/files/torrent/extended.ts"
import { encodeHandshake } from "../../../../../plugins/files/torrent/handshake.ts"
import { encodeMessage, type PeerMessage } from "../../../../../plugins/files/torrent/message.ts"
import { PeerReader, type PeerWords } from "../../../../../plugins/files/torrent/peer-reader.ts"
import { openPair, type Person } from "../../../../support/swarm-people.ts"

export interface RawPeer {
  readonly stream: Duplex
  /** What it was told. */
  readonly words: PeerWords[]
  /** How the swarm found it ended. */
  readonly end: Promise<PeerEnd>
  why(): PeerEnd | undefined
  send(...messages: (PeerMessage | Uint8Array)[]): Promise<void>
  of<K extends PeerWords["kind"]>(kind: K): (PeerWords & { kind: K })[]
}

/** How it comes. */
export interface RawOptions {
  readonly name?: string
  readonly isOwn?: boolean
  /** The swarm dialled. */
  readonly outgoing?: boolean
  /** Says nothing by itself, not even its handshake. */
  readonly isSilent?: boolean
  /** Takes nothing of what it is told. */
  readonly isDeaf?: boolean
  readonly infohash?: Uint8Array
  readonly peerId?: Uint8Array
  readonly hash?: Uint8Array
  readonly metadataBytes?: number
}

/** Joins one. It reads all it is told, and greets: handshake, extended handshake. */
export async function openRaw({ swarm }: Person, options: RawOptions = {}): Promise<RawPeer> {
  const { name = "raw", isOwn = false, outgoing = false } = options
  const [stream, theirs] = openPair(options.isDeaf ? 1_024 : 65_536)
  const words: PeerWords[] = []
  const reader = new PeerReader()
  stream.on("error", () => {})
  if (!options.isDeaf)
    stream.on("data", (chunk: Uint8Array) => words.push(...reader.push(chunk.slice())))
  let why: PeerEnd | undefined
  const { hash } = options
  const end = swarm.join(theirs, { name, outgoing, isOwn, ...(hash && { hash }) })
  void end.then((found) => {
    why = found
  })
  const raw: RawPeer = {
    stream,
    words,
    end,
    why: () => why,
    async send(...messages) {
      for (const message of messages)
        if (!stream.destroyed)
          stream.write(message instanceof Uint8Array ? message : encodeMessage(message))
      await settled()
    },
    of: <K extends PeerWords["kind"]>(kind: K) =>
      words.filter((one): one is PeerWords & { kind: K } => one.kind === kind),
  }
  if (options.isSilent) return raw
  const { infohash = swarm.infohash, peerId = Buffer.from(name.padEnd(20).slice(0, 20)) } = options
  const { metadataBytes } = options
  const payload = encodeExtendedHandshake({
    ids: { ut_metadata: 3, i2p_pex: 4 },
    requestsMax: 250,
    isUploadOnly: false,
    ...(metadataBytes !== undefined && { metadataBytes }),
  })
  await raw.send(encodeHandshake({ infohash, peerId, isExtended: true, isFast: true }), {
    kind: "extended",
    id: 0,
    payload,
  })
  return raw
}

/** Until what can happen without time passing has happened. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 12; turns++) await turn()
}
