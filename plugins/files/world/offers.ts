/**
 * What is offered for files and the world: `file share`, `file get`, trackers, watched folders.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { transferDocumentShape } from "../offers.ts"
import { untilShape } from "../until.ts"
import { PATTERN_CHARACTERS_MAX, PATTERNS_MAX } from "./wanted-files.ts"

/** Paths of one command. */
const PATHS_MAX = 256
/** Seeding limits are no larger: 10 years. */
const HOURS_MAX = 87_600

const goal = {
  ratio: z
    .number()
    .positive()
    .max(10_000)
    .optional()
    .meta({ description: "Stop when so many times its size was given to others" }),
  hours: z
    .number()
    .positive()
    .max(HOURS_MAX)
    .optional()
    .meta({ description: "Stop when it was given to others for so long" }),
  copies: z
    .int()
    .positive()
    .optional()
    .meta({ description: "Stop when so many others have all of it" }),
}
const ownAddress = z
  .boolean()
  .default(false)
  .meta({ description: "Use an address of its own, that nothing else shares" })
const folder = z.string().min(1).meta({ kind: "path", description: "Folder" })
const line = "{state}: {name}, {size} bytes, {id}."

export const shareOffer = offer({
  verb: "file share",
  summary: "Share files or folders with everybody on I2P",
  positional: ["paths"],
  examples: [
    "file share ./album",
    "file share film.mkv --ratio 2 --own-address",
    "file share ./album --torrent album.torrent",
    "file share ./notes --tracker own",
    "file share ./letter.pdf --secret --once --until 7d",
  ],
  input: z.object({
    paths: z
      .array(z.string().min(1))
      .min(1)
      .max(PATHS_MAX)
      .meta({ kind: "path", description: "Files and folders, each a torrent" }),
    ownAddress,
    as: z.string().optional().meta({
      description: "Refused: everybody would know the identity's address, and what it shares",
    }),
    tracker: z.array(z.string().min(1).max(2_048)).max(16).default([]).meta({
      description: "Announce to this URL; `own` is our own tracker, `none` none at all",
    }),
    private: z.boolean().default(false).meta({ description: "Peers come from the trackers alone" }),
    secret: z
      .boolean()
      .default(false)
      .meta({ description: "Only for who has the link: it carries a key, and no tracker is told" }),
    once: z.boolean().default(false).meta({ description: "Stop when one other has all of it" }),
    until: untilShape.optional().meta({ description: "Stop then: 12h, 7d, 2027-01-31" }),
    torrent: z
      .string()
      .min(1)
      .optional()
      .meta({ kind: "path", description: "Write a torrent file, too" }),
    ...goal,
  }),
  output: z.array(transferDocumentShape),
  display: { line: `${line}\n{magnet}` },
})

export const getOffer = offer({
  verb: "file get",
  summary: "Get what others share: by magnet link, torrent file or address",
  positional: ["target"],
  examples: [
    "file get 'magnet:?xt=urn:btih:…'",
    "file get album.torrent --to ~/Music --only '*.flac'",
    "file get http://tracker2.postman.i2p/… --wait",
  ],
  input: z.object({
    target: z.string().min(1).max(16_384).meta({
      description: "Link, infohash, torrent file, or address of one inside I2P",
    }),
    to: z
      .string()
      .min(1)
      .optional()
      .meta({ kind: "path", description: "Folder for it; the router's own by default" }),
    only: z
      .array(z.string().min(1).max(PATTERN_CHARACTERS_MAX))
      .max(PATTERNS_MAX)
      .default([])
      .meta({ description: "Only files with this in their path, or of a pattern such as *.flac" }),
    sequential: z
      .boolean()
      .default(false)
      .meta({ description: "From the beginning to the end, to look at it meanwhile" }),
    ownAddress,
    wait: z.boolean().default(false).meta({ description: "Return when it is here whole" }),
    ...goal,
  }),
  output: transferDocumentShape,
  display: { line },
})

const trackerShape = z.object({
  name: z.string(),
  url: z.string(),
  /** Told of torrents that name no tracker. */
  used: z.boolean(),
  /** Takes any torrent; others take those that were uploaded to their site. */
  open: z.boolean(),
})

export const trackersListOffer = offer({
  verb: "file trackers list",
  summary: "List the open trackers in use, and others that are known",
  examples: ["file trackers list"],
  input: z.object({}),
  output: z.array(trackerShape),
  display: { columns: ["name", "used", "open", "url"] },
})

const tracker = z
  .string()
  .min(1)
  .max(2_048)
  .meta({ description: "Announce URL inside I2P, such as http://….b32.i2p/a" })

export const trackersAddOffer = offer({
  verb: "file trackers add",
  summary: "Announce shares to one more open tracker",
  positional: ["url"],
  examples: ["file trackers add http://tracker.example.i2p/a"],
  input: z.object({ url: tracker }),
  output: z.object({ url: z.string() }),
  display: { line: "New shares are announced to {url}, too." },
})

export const trackersRemoveOffer = offer({
  verb: "file trackers remove",
  summary: "Announce shares no longer to a tracker",
  positional: ["url"],
  examples: ["file trackers remove http://tracker.example.i2p/a"],
  input: z.object({ url: tracker }),
  output: z.object({ url: z.string() }),
  display: { line: "New shares are no longer announced to {url}." },
})

const statusShape = z.object({
  /** Of its session: `opening`, `up`, `down`; or `stopped`. */
  state: z.string(),
  url: z.string().optional(),
  takes: z.enum(["own", "all"]).optional(),
  torrents: z.int().optional(),
  peers: z.int().optional(),
  announces: z.int().optional(),
  refused: z.int().optional(),
})
/** Our own tracker. */
export type TrackerStatus = z.output<typeof statusShape>
const statusDisplay = { line: "The tracker is {state}.\n{url}" }

export const trackerRunOffer = offer({
  verb: "file tracker run",
  summary: "Run a tracker of our own, for our shares or for everybody's",
  examples: ["file tracker run", "file tracker run --open"],
  input: z.object({
    open: z.boolean().default(false).meta({ description: "Take torrents of others, too" }),
  }),
  output: statusShape,
  display: statusDisplay,
})

export const trackerStopOffer = offer({
  verb: "file tracker stop",
  summary: "Stop our own tracker; its address comes back with it",
  examples: ["file tracker stop"],
  input: z.object({}),
  output: statusShape,
  display: statusDisplay,
})

export const trackerStatusOffer = offer({
  verb: "file tracker status",
  summary: "Show our own tracker",
  examples: ["file tracker status"],
  input: z.object({}),
  output: statusShape,
  display: {
    line: "The tracker is {state}: {torrents} torrents, {peers} peers, {announces} announces, {refused} refused.\n{url}",
  },
})

const watchShape = z.object({
  folder: z.string(),
  /** `torrents`: torrent files that appear are fetched. `shares`: whatever appears is shared. */
  kind: z.enum(["torrents", "shares"]),
  to: z.string().optional(),
  /** Things that were taken in so far. */
  taken: z.int(),
  /** Code of what went wrong last. */
  reason: z.string().optional(),
})
/** A folder that is watched. */
export type WatchDocument = z.output<typeof watchShape>

export const watchAddOffer = offer({
  verb: "file watch add",
  summary: "Watch a folder: get the torrent files that appear, or share what appears",
  positional: ["folder"],
  examples: ["file watch add ~/Torrents --to ~/Films", "file watch add ~/Public --share"],
  input: z.object({
    folder,
    to: z
      .string()
      .min(1)
      .optional()
      .meta({ kind: "path", description: "Folder for what is fetched" }),
    share: z.boolean().default(false).meta({ description: "Share what appears in the folder" }),
  }),
  output: watchShape,
  display: { line: "Watching {folder} for {kind}." },
})

export const watchListOffer = offer({
  verb: "file watch list",
  summary: "List the folders that are watched",
  examples: ["file watch list"],
  input: z.object({}),
  output: z.array(watchShape),
  display: { columns: ["folder", "kind", "to", "taken", "reason"], empty: "No folder is watched." },
})

export const watchRemoveOffer = offer({
  verb: "file watch remove",
  summary: "Watch a folder no longer; what was taken in stays",
  positional: ["folder"],
  examples: ["file watch remove ~/Torrents"],
  input: z.object({ folder }),
  output: watchShape,
  display: { line: "No longer watching {folder}." },
})

/** All of them. */
export const worldOffers = [
  ...[shareOffer, getOffer],
  ...[trackersListOffer, trackersAddOffer, trackersRemoveOffer],
  ...[trackerRunOffer, trackerStopOffer, trackerStatusOffer],
  ...[watchAddOffer, watchListOffer, watchRemoveOffer],
]
