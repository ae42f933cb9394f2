/**
 * `file share`: files of ours become torrents that stay where they are.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { open, realpath } from "node:fs/promises"
import { dirname, isAbsolute, join, sep } from "node:path"
import { AlliumError, type OfferCall, type PluginContext, type z } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { type MadeShare, makeShare } from "../disk/make-share.ts"
import { takeStamps } from "../disk/stamps.ts"
import { surveyShare } from "../disk/survey.ts"
import type { TransferDocument } from "../offers.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import { writeTorrent } from "../torrent/metainfo-write.ts"
import { encodeProgress } from "../torrent/resume.ts"
import { untilMs } from "../until.ts"
import { PUBLIC } from "./addresses.ts"
import { spotAt } from "./content.ts"
import type { shareOffer } from "./offers.ts"
import type { OwnTracker } from "./own-tracker.ts"
import type { KeptProgress, ShareRecord } from "./record.ts"
import { SECRET_BYTES } from "./secret-link.ts"
import { requireTracker, type WorldSettings } from "./settings.ts"
import { newAddressName, type Shares } from "./shares.ts"

/** Where received files go when nobody says where; inside the plugin's folder. */
export const RECEIVED = "received"

/** What sharing needs. */
export interface SharingTools {
  readonly context: PluginContext
  readonly room: DiskRoom
  /** Names this run of the machine. */
  readonly boot: string
  readonly shares: Shares
  readonly settings: WorldSettings
  readonly ownTracker: OwnTracker
}

type Input = z.output<typeof shareOffer.input>

/**
 * Shares each path as a torrent of its own; the same content again is no error.
 *
 * @throws {AlliumError} `BAD_INPUT`; `FILE_GONE`, `FILE_CHANGED`, `DISK_REFUSED`; `ALREADY_EXISTS` for the torrent file; `LIMIT_REACHED`.
 */
export async function sharePaths(
  tools: SharingTools,
  input: Input,
  call: OfferCall,
): Promise<TransferDocument[]> {
  if (input.paths.some((path) => !isAbsolute(path)))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot share files: a path is relative, expected whole ones",
    )
  if (input.as !== undefined) throw linked()
  if (input.secret && (input.torrent !== undefined || input.tracker.some((one) => one !== "none")))
    throw new AlliumError("BAD_INPUT", "Cannot share secretly: nobody else is to be told of it")
  if (input.once && input.copies !== undefined)
    throw new AlliumError("BAD_INPUT", "Cannot share: --once and --copies say the same")
  if (input.torrent !== undefined && input.paths.length > 1)
    throw new AlliumError("BAD_INPUT", "Cannot write torrent file: expected one path")
  const documents: TransferDocument[] = []
  for (const path of input.paths) documents.push(await sharePath(tools, path, input, call))
  return documents
}

async function sharePath(
  tools: SharingTools,
  path: string,
  input: Input,
  call: OfferCall,
): Promise<TransferDocument> {
  const { room, shares } = tools
  const tiers = input.secret ? [] : await tiersFor(tools, input)
  const survey = await surveyShare(room.disk, path, call)
  await refuseSecrets(tools.context.folder, survey.files)
  const made = await makeShare({
    ...{ room, survey, signal: call.signal },
    ...((input.private || input.secret) && { isPrivate: true }),
    tell: (done, total) => call.progress({ done, total, unit: "bytes", doing: "hashing" }),
  })
  const id = Buffer.from(made.metainfo.infohash).toString("hex")
  if (input.torrent !== undefined) await writeNew(input.torrent, torrentOf(made, tiers))
  const known = shares.get(id)
  if (known !== undefined && (known.secret !== undefined) !== (input.secret ?? false))
    throw new AlliumError("ALREADY_EXISTS", "Cannot share files: they are shared in another way")
  if (known !== undefined) return shares.show(id)
  const record = newRecord(tools, id, made, { ...input, tiers, folder: dirname(path) })
  const progress = await wholeProgress(tools, made)
  return shares.add(record, made.metainfo, [shares.tables.putProgress(id, progress)])
}

function linked(): AlliumError {
  const found = "trackers and peers would know the identity's address for good"
  return new AlliumError("BAD_INPUT", `Cannot share as an identity: ${found}; see --own-address`)
}

/** The router's home, with its keys and its store, is not for the world; files that were received are. @throws {AlliumError} `BAD_INPUT`. */
export async function refuseSecrets(
  folder: string,
  files: readonly { readonly path: string }[],
): Promise<void> {
  const own = await realpath(folder)
  const [home, received] = [join(own, "..", "..", sep), join(own, RECEIVED, sep)]
  const isSecret = (path: string) => path.startsWith(home) && !path.startsWith(received)
  if (files.some(({ path }) => isSecret(path)))
    throw new AlliumError("BAD_INPUT", "Cannot share files: they are the router's own data")
}

/** Each tracker is a tier of its own, so that each is told. */
async function tiersFor(
  { settings, ownTracker }: SharingTools,
  input: Pick<Input, "tracker" | "private">,
): Promise<string[][]> {
  const wanted = input.tracker.filter((text) => text !== "none")
  if (wanted.includes("own") && ownTracker.url === undefined) await ownTracker.run("own")
  const own = ownTracker.url === undefined ? [] : [ownTracker.url]
  const named = wanted.flatMap((text) => (text === "own" ? own : [requireTracker(text)]))
  const usual = input.private || input.tracker.length > 0 ? [] : [...own, ...settings.trackers]
  const urls = [...new Set([...named, ...usual])]
  if (urls.length > 0 || !input.private) return urls.map((url) => [url])
  const message = "Cannot share privately: peers come from trackers alone, expected --tracker"
  throw new AlliumError("BAD_INPUT", message)
}

function newRecord(
  { context }: SharingTools,
  id: string,
  { metainfo, paths }: MadeShare,
  wish: Input & { readonly tiers: string[][]; readonly folder: string },
): ShareRecord {
  return {
    ...{ id, kind: "share", name: metainfo.name, size: metainfo.geometry.size },
    address: wish.ownAddress || wish.secret ? newAddressName() : PUBLIC,
    ...(wish.secret && { secret: new Uint8Array(randomBytes(SECRET_BYTES)) }),
    ...{ tiers: wish.tiers, peers: [], folder: wish.folder, paths: [...paths] },
    ...{ isPaused: false, isDone: true, isSated: false, isSequential: false, only: [] },
    goal: { ...goalFrom(wish), ...endFrom(wish, context.clock.now()) },
    createdAt: Math.floor(context.clock.now()),
    ...{ uploaded: 0, downloaded: 0, seedingMs: 0 },
  }
}

/** As it is kept. */
export function goalFrom(wish: Pick<Input, "ratio" | "hours" | "copies">): ShareRecord["goal"] {
  const { ratio, hours, copies } = wish
  return {
    ...(ratio !== undefined && { ratio }),
    ...(hours !== undefined && { seconds: hours * 3_600 }),
    ...(copies !== undefined && { downloads: copies }),
  }
}

function endFrom({ once, until }: Input, nowMs: number): ShareRecord["goal"] {
  const at = until === undefined ? undefined : untilMs(until, nowMs)
  return { ...(once && { downloads: 1 }), ...(at !== undefined && { until: at }) }
}

/** Everything was hashed just now. */
async function wholeProgress(
  { room, boot }: SharingTools,
  { metainfo, paths }: MadeShare,
): Promise<KeptProgress> {
  const have = Bitfield.full(metainfo.geometry.pieceCount)
  const last = encodeProgress(metainfo.infohash, { have, partial: new Map() })
  const spotOf = (file: number) => spotAt(paths[file]!)
  const stamps = await takeStamps({ disk: room.disk, metainfo, spotOf })
  return { last, synced: last, stamps, boot }
}

/** No creation date and no program: they would say something of who made it. */
function torrentOf({ metainfo }: MadeShare, tiers: string[][]): Uint8Array {
  return writeTorrent(metainfo.info, { tiers })
}

/** @throws {AlliumError} `ALREADY_EXISTS`; `DISK_REFUSED`. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx").catch((error: NodeJS.ErrnoException) => {
    const isThere = error.code === "EEXIST"
    throw new AlliumError(
      isThere ? "ALREADY_EXISTS" : "DISK_REFUSED",
      `Cannot write torrent file: ${isThere ? "there is one of that name" : "the folder does not take it"}`,
    )
  })
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}
