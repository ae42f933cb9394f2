/**
 * Torrents with the world as people and programs see them.
 *
 * @module
 */
import { join, relative, sep } from "node:path"
import { decodeBase32 } from "allium/plugin"
import type { TransferDocument } from "../offers.ts"
import type { SwarmState } from "../swarm/index.ts"
import { formatMagnet } from "../torrent/magnet.ts"
import type { Address } from "./addresses.ts"
import type { TrackerReport } from "./announcer.ts"
import { trackerName } from "./known-trackers.ts"
import type { LiveShare } from "./live-share.ts"
import type { ShareRecord } from "./record.ts"
import { formatSecretLink } from "./secret-link.ts"

/** Writes a torrent up. */
export function toShareDocument(share: {
  readonly record: ShareRecord
  readonly live: LiveShare | undefined
  readonly address: Address | undefined
  /** With trackers and peers, one line each. */
  readonly inDetail: boolean
}): TransferDocument {
  const { record, live, address } = share
  const state = live?.state()
  const reason = record.reason ?? state?.code
  const { id, name, kind } = record
  const size = state?.size || record.size || 0
  return {
    ...{ id, name, size, direction: kind === "share" ? "out" : "in" },
    state: stateOf(record, live, state),
    ...(reason !== undefined && { reason }),
    done: live?.looking?.done ?? state?.bytesHere ?? (record.isDone ? size : 0),
    bytesPerSecond: Math.round((record.isDone ? state?.upRate : state?.downRate) ?? 0),
    path: placeOf(record),
    uploaded: state?.upBytes ?? record.uploaded,
    peers: state?.peers.length ?? 0,
    ...{ magnet: linkOf(record, address) },
    ...(share.inDetail && live && state && { details: details(live, state, address) }),
  }
}

/** The file, or the folder that holds them all; where they are to be, before they are known. */
function placeOf({ paths: [first], folder }: ShareRecord): string {
  const [top = ""] = first === undefined ? [] : relative(folder, first).split(sep)
  return top === ".." ? folder : join(folder, top)
}

function stateOf(
  { isPaused, isSated, reason, isDone }: ShareRecord,
  live: LiveShare | undefined,
  state: SwarmState | undefined,
): TransferDocument["state"] {
  if (reason !== undefined) return "failed"
  if (isSated) return "done"
  if (isPaused) return "paused"
  if (live?.looking !== undefined) return "verifying"
  if (state === undefined || state.stage === "opening" || state.stage === "stopped")
    return "waiting"
  if (state.stage === "metadata") return "metadata"
  if (state.stage === "seeding") return isDone ? "seeding" : "verifying"
  return state.downRate > 0 ? "transferring" : "waiting"
}

/** With who has it: us. Others may come that way without any tracker. */
function linkOf({ id, name, tiers, secret }: ShareRecord, address: Address | undefined): string {
  const own = address && decodeBase32(address.session.destination.b32.slice(0, 52))
  const magnet = {
    infohash: Buffer.from(id, "hex"),
    ...(name !== "" && { name }),
    trackers: tiers.flat().slice(0, 8),
    ...(own && { peers: [own] }),
  }
  return secret === undefined ? formatMagnet(magnet) : formatSecretLink({ magnet, secret })
}

function details(live: LiveShare, state: SwarmState, address: Address | undefined): string[] {
  const { known, dialling } = live.peers()
  const has = ({ pieces }: { pieces: number }) =>
    state.pieceCount === 0 ? 0 : Math.floor((pieces / state.pieceCount) * 100)
  return [
    `Address: ${address?.session.destination.b32} (${address?.session.state.name})`,
    `Pieces: ${state.piecesHere} of ${state.pieceCount}; given to others: ${state.upBytes} bytes, ${state.downloads} times whole`,
    `Peers: ${state.peers.length} here, ${known} known, ${dialling} being dialled, ${state.bans} shut out`,
    ...live.trackers().map((report) => `Tracker ${trackerLine(report)}`),
    ...state.peers.map(
      (peer) =>
        `Peer ${peer.name.slice(0, 8)}…: has ${has(peer)} %, ${kilobytes(peer.downRate)} in, ${kilobytes(peer.upRate)} out${peer.isChokingUs ? ", does not serve us" : ""}`,
    ),
  ]
}

function trackerLine({ url, state, reason, peers, complete, incomplete }: TrackerReport): string {
  const counted = complete === undefined ? "" : `, ${complete} have it, ${incomplete ?? 0} want it`
  const named = peers === undefined ? "" : `, named ${peers} peers`
  return `${trackerName(url)}: ${state}${reason === undefined ? "" : ` (${reason})`}${named}${counted}`
}

function kilobytes(rate: number): string {
  return `${(rate / 1_000).toFixed(0)} kB/s`
}
