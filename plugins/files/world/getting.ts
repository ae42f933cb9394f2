/**
 * `file get`: from a magnet link, a torrent file or an address inside I2P to a download that goes on by itself.
 *
 * @module
 */
import { mkdir, realpath, stat } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError, encodeBase32, type OfferCall, safeName, type z } from "allium/plugin"
import type { TransferDocument } from "../offers.ts"
import type { Magnet } from "../torrent/magnet.ts"
import { readTorrent, type Torrent } from "../torrent/metainfo.ts"
import { type Addresses, PUBLIC } from "./addresses.ts"
import type { getOffer } from "./offers.ts"
import type { ShareRecord } from "./record.ts"
import { newAddressName, type Shares } from "./shares.ts"
import { goalFrom, RECEIVED, type SharingTools } from "./sharing.ts"
import { readTarget, readTorrentFile } from "./target.ts"
import { fetchTorrent } from "./tracker-get.ts"
import { unwantedFiles } from "./wanted-files.ts"

type Input = z.output<typeof getOffer.input>
type Tools = Pick<SharingTools, "context" | "shares"> & { readonly addresses: Addresses }

/**
 * Takes a torrent in; the same again is no error.
 *
 * @throws {AlliumError} `BAD_MAGNET`, `BAD_TORRENT`, `BAD_INPUT`, `NOT_FOUND`, `LIMIT_REACHED`; with `wait`, what ended it.
 */
export async function getTarget(
  tools: Tools,
  input: Input,
  call: OfferCall,
): Promise<TransferDocument> {
  const target = readTarget(input.target)
  const folder = await folderFor(tools, input.to)
  const add = async () => {
    if (target.kind === "magnet") return addMagnet(tools, target.magnet, input, folder)
    if (target.kind === "secret") {
      const { magnet, secret } = target.link
      return addMagnet(tools, magnet, { ...input, ownAddress: true }, folder, secret)
    }
    const torrent =
      target.kind === "file"
        ? await readTorrentFile(target.path)
        : readTorrent(await fetchInside(tools, target.url, call))
    return addTorrent(tools, torrent, input, folder)
  }
  const document = await add()
  return input.wait ? untilWhole(document.id, tools.shares, call) : document
}

/** Takes a torrent in; for folders that are watched, too. */
export async function addTorrent(
  { shares, context }: Pick<Tools, "shares" | "context">,
  torrent: Torrent,
  input: Omit<Input, "target" | "to" | "wait">,
  folder: string,
): Promise<TransferDocument> {
  const id = Buffer.from(torrent.infohash).toString("hex")
  if (shares.get(id) !== undefined) return shares.show(id)
  if (unwantedFiles(torrent.files, input.only) === undefined)
    throw new AlliumError("NOT_FOUND", "Cannot get files: none in the torrent is like --only says")
  const { name, geometry } = torrent
  const tiers = torrent.tiers.map((tier) => [...tier])
  const record = newRecord(context.clock.now(), id, input, folder)
  return shares.add({ ...record, name, tiers, size: geometry.size }, torrent)
}

function addMagnet(
  { shares, context }: Tools,
  { infohash, name, trackers, peers = [] }: Magnet,
  input: Input,
  folder: string,
  secret?: Uint8Array,
): Promise<TransferDocument> {
  const id = Buffer.from(infohash).toString("hex")
  if (shares.get(id) !== undefined) return shares.show(id)
  const record = newRecord(context.clock.now(), id, input, folder)
  return shares.add(
    {
      ...record,
      name: name === undefined ? id : safeName(name),
      ...(secret && { secret }),
      tiers: trackers.map((url) => [url]),
      peers: peers.map((hash) => `${encodeBase32(hash)}.b32.i2p`),
    },
    undefined,
  )
}

function newRecord(
  nowMs: number,
  id: string,
  input: Omit<Input, "target" | "to" | "wait">,
  folder: string,
): ShareRecord {
  return {
    ...{ id, kind: "get", name: id, address: input.ownAddress ? newAddressName() : PUBLIC },
    ...{ tiers: [], peers: [], folder, paths: [] },
    ...{ isPaused: false, isDone: false, isSated: false },
    ...{ isSequential: input.sequential, only: input.only, goal: goalFrom(input) },
    ...{ createdAt: Math.floor(nowMs), uploaded: 0, downloaded: 0, seedingMs: 0 },
  }
}

/** Over the public address, and over nothing else. */
async function fetchInside(
  { addresses }: Tools,
  url: string,
  call: OfferCall,
): Promise<Uint8Array> {
  const address = await addresses.take(PUBLIC)
  try {
    call.progress({ done: 0, unit: "bytes", doing: "fetching the torrent file" })
    return await fetchTorrent(address.session, url, call)
  } finally {
    await addresses.leave(address)
  }
}

/** The given folder, which must be there, or our own. @throws {AlliumError} `BAD_INPUT`. */
export async function folderFor(
  { context }: Pick<Tools, "context">,
  to: string | undefined,
): Promise<string> {
  if (to === undefined) {
    const folder = join(context.folder, RECEIVED)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  }
  const folder = await realpath(to).catch(() => undefined)
  if (folder !== undefined && (await stat(folder)).isDirectory()) return folder
  throw new AlliumError("BAD_INPUT", "Cannot get files: --to is not a folder that is there")
}

const WHOLE: readonly TransferDocument["state"][] = ["seeding", "done"]
const OVER: readonly TransferDocument["state"][] = ["failed", "cancelled"]

/** @throws {AlliumError} `FILE_CANCELLED`, or what made it fail; the signal's reason, and it goes on. */
async function untilWhole(id: string, shares: Shares, call: OfferCall): Promise<TransferDocument> {
  let stop = () => {}
  let abort = () => {}
  try {
    return await new Promise<TransferDocument>((resolve, reject) => {
      const look = (document: TransferDocument) => {
        if (WHOLE.includes(document.state)) resolve(document)
        else if (OVER.includes(document.state)) reject(whyNot(document))
        else call.progress(progressOf(document))
      }
      stop = shares.watch((record, document) => {
        if (record.id === id) look(document)
      })
      abort = () => reject(call.signal.reason)
      call.signal.addEventListener("abort", abort)
      if (call.signal.aborted) abort()
      shares.show(id).then(look, reject)
    })
  } finally {
    stop()
    call.signal.removeEventListener("abort", abort)
  }
}

function progressOf({ done, size, state, peers = 0 }: TransferDocument) {
  const doing = {
    metadata: "asking peers what it is",
    verifying: "verifying",
    paused: "paused",
    transferring: `from ${peers} ${peers === 1 ? "peer" : "peers"}`,
  }[state as string]
  return {
    ...{ done, unit: "bytes" as const, doing: doing ?? `waiting for peers, ${peers} here` },
    ...(size > 0 && { total: size }),
  }
}

function whyNot({ state, reason = "" }: TransferDocument): AlliumError {
  if (state === "cancelled")
    return new AlliumError("FILE_CANCELLED", "Cannot get files: it was cancelled")
  const known = ["DISK_REFUSED", "FILE_GONE", "FILE_CHANGED", "NOT_FOUND", "BAD_TORRENT"] as const
  const code = known.find((one) => one === reason) ?? "FILE_CORRUPT"
  return new AlliumError(code, `Cannot get files: it cannot go on (${reason})`)
}
