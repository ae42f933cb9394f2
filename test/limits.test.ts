import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type Constant, evaluate, readConstants } from "./support/constants.ts"
import { projectRoot } from "./support/project.ts"

const PAGE = readFileSync(join(projectRoot, "docs", "limits.md"), "utf8")

/** A constant that may bound something a person or a peer can meet. */
const LOOKS_LIKE_A_LIMIT =
  /(?:^|_)(?:MAX|MIN|MOST|MS|S)(?:_|\.|$)|_BYTES(?:\.|$)|\.\w*(?:Max|Min|Ms|Bytes)$/

/** Sizes that a format or an algorithm states; nobody can choose them. */
const SIZES_OF_FORMATS = new Set(
  `BLOCK DOOR_ID INTRODUCTION ROTATION KEEPSAKE ROOM CIPHER_COUNTER CIPHER_KEY CONFIRM CRYPTO_KEY CRYPTO_PRIVATE_KEY ED25519_KEY ED25519_SIGNATURE
  ORIGIN PAYLOAD_HEAD ITEM_HEAD PART_HEAD FLASH_HEAD ACK_HEAD RANGE OFFSET DIGEST LETTER_LENGTH
  ENTROPY FOOTER FRAME_HEAD GROUP HASH HEADER HELLO ID KEY KEY_FIELD LENGTH LINK_ID NONCE OFFLINE
  PADDING_BLOCK PREFIX SALT SEAL SEED SIGNATURE SIGNED SIGNING_FIELD TAG TRAILER WELCOME X25519_KEY QUEUE_ID ENVELOPE_ID ENVELOPE
  BUNDLE CHECK COEFFICIENT METADATA_PAGE PEER_HANDSHAKE HYBRID_KEY HYBRID_SECRET KEM_CIPHERTEXT KEM_MESSAGE PERSON SEALED_HEADER SESSION_NAME ERA LIST_HEAD DEVICE DEVICE_SECRET ASK PORT
  GIVEN DOOR GREETING PLAIN LONE_PAYLOAD TOWER BUNDLE_REST OFFER_KEY TRANSFER_ID LINE_NONCE OPENING SEAL_KEY HEAD STAMP CHUNK_SALT CHUNK_HEAD`
    .split(/\s+/)
    .map((name) => `${name}_BYTES`),
)

/** What looks like a limit and is none, and why. */
const NO_LIMITS: Readonly<Record<string, string>> = {
  "plugins/files/contact/desk.ts HOUR_MS": "a unit",
  "plugins/files/play/server.ts TOKEN_BYTES": "how long a token is",
  "plugins/files/swarm/uploads.ts HEAD_BYTES": "a format",
  "plugins/files/until.ts MINUTE_MS": "a unit",
  "plugins/files/swarm/requests.ts REQUEST_BYTES": "a format",
  "plugins/files/world/secret-link.ts SECRET_BYTES": "a format",
  "plugins/files/world/record.ts PARTS_MAX": "METAINFO_BYTES_MAX in parts",
  "plugins/files/world/record.ts PART_BYTES": "how a torrent is cut for the store",
  "plugins/messages/groups/entry.ts AT_MAX_MS": "the last minute of the calendar, in docs/protocol",
  "plugins/messages/groups/entry.ts LIMITS": "the shape of an entry",
  "plugins/messages/groups/entry.ts MINUTE_MS": "a unit",
  "plugins/messages/groups/records.ts POST_LIMITS": "the shape of a post",
  "plugins/messages/groups/records.ts RECORD_LIMITS": "the shape of a record",
  "plugins/messages/wire.ts SENT_AT_MAX_MS": "the last minute of the calendar, in docs/protocol",
  "src/base/access/options.ts HOUR_S": "a unit",
  "src/base/forget.ts WORTH_BYTES": "what is worth it",
  "src/base/backend/client-address.ts V2_ADDRESSES_BYTES": "a format",
  "src/base/pack.ts UNLIMITED": "for what we wrote ourselves",
  "src/bridge/command-datagram.ts I2PD_UDP_BYTES": "a fault of i2pd that is played",
  "src/bridge/knobs.ts FAULTS": "texts",
  "src/bridge/listener.ts YOUNG_MS": "a fault of i2pd that is played",
  "src/bridge/network.ts ZOMBIE_LIFE_MS": "a fault of i2pd that is played",
  "src/bridge/network.ts ZOMBIE_WINDOW_MS": "a fault of i2pd that is played",
  "src/cli/commands/try.ts FILE_BYTES": "the file of the example",
  "src/identity/card.ts DAY_S": "a unit",
  "src/identity/introduction.ts DAY_S": "a unit",
  "src/link/limits.ts RANGES": "what LINK_LIMITS may be set to",
  "src/mail/post/letter.ts LETTER_BODY_BYTES_MAX": "LETTER_BYTES_MAX and its head",
  "src/mail/post/sessions.ts EPOCH_MAX": "a format",
  "src/mail/mailbox/frames.ts HEAD_BYTES": "a format",
  "src/mail/mailbox/mailbox.ts TOKEN_BYTES": "a format",
  "src/mail/mailbox/mailbox.ts WORK_NONCE_BYTES": "a format",
  "src/mail/mailbox/tokens.ts INPUT_BYTES": "a format",
  "src/mail/mailbox/tower/blobs.ts PIECE_BYTES": "how a blob is cut for the store",
  "src/router/mail-shelf.ts PIECE_BYTES": "how a letter is cut for the store",
  "src/mail/mailbox/tower/index-block.ts ENTRY_BYTES": "a format",
  "src/mail/mailbox/tower/index-block.ts MARK_BYTES": "a format",
  "src/mail/mailbox/wire.ts CHUNK_BYTES": "a format",
  "src/sam/address.ts BLINDED_BYTES_MAX": "a format",
  "src/sam/address.ts BLINDED_BYTES_MIN": "a format",
  "src/sam/destination.ts DESTINATION_BYTES_MIN": "a format",
  "src/sam/names.ts BASE64_CHARACTERS_MIN": "a format",
}

/** What a unit is in bytes or milliseconds; every other word only says what is counted. */
const UNITS: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  days: 86_400_000,
}

interface Row {
  /** `src/sam/message.ts SENT_LINE_BYTES_MAX`. */
  readonly place: string
  /** In bytes, milliseconds or pieces. */
  readonly value: number
}

function readRows(page: string): Row[] {
  const rows = page.matchAll(/^\| ([^|]+) \| [^|]+ \| [^|]+ \| \[`([\w.]+)`\]\(\.\.\/(\S+)\) \|$/gm)
  return [...rows].map(([, limit = "", name, path]) => ({
    place: `${path} ${name}`,
    value: readLimit(limit),
  }))
}

function readLimit(limit: string): number {
  if (limit === "no limit") return 0
  const [, number = "", unit = ""] = /^([\d.,]+)(?: (\w+))?/.exec(limit) ?? []
  return number === "" ? Number.NaN : Number(number.replaceAll(",", "")) * (UNITS[unit] ?? 1)
}

const placeOf = ({ path, name }: Constant): string => `${path} ${name}`

/** In bytes, milliseconds or pieces, as in a row. */
function measureOf({ name, value }: Constant): number | undefined {
  return value !== undefined && name.endsWith("_S") ? value * 1_000 : value
}

function isNoLimit({ path, name, isAlias }: Constant): boolean {
  const [whole = ""] = name.split(".")
  return (
    isAlias ||
    SIZES_OF_FORMATS.has(name) ||
    `${path} ${name}` in NO_LIMITS ||
    `${path} ${whole}` in NO_LIMITS ||
    !LOOKS_LIKE_A_LIMIT.test(name)
  )
}

describe("docs/limits.md", () => {
  const rows = readRows(PAGE)
  const constants = readConstants(["src", "plugins", "tunnels"])
  const known = new Map(constants.map((constant) => [placeOf(constant), measureOf(constant)]))

  it("has a table whose every row is read", () => {
    const lines = PAGE.split("\n").filter((line) => line.startsWith("| ") && line.includes("]("))
    expect(rows).toHaveLength(lines.length)
    expect(rows.length).toBeGreaterThan(150)
  })

  it("says what the source says", () => {
    const wrong = rows
      .filter(({ place, value }) => known.get(place) !== value)
      .map(({ place, value }) => `${place} is ${known.get(place)}, the page says ${value}`)
    expect(wrong).toEqual([])
  })

  it("lists every limit of the source", () => {
    const listed = new Set(rows.map(({ place }) => place))
    const missing = constants
      .filter((constant) => !isNoLimit(constant))
      .map(placeOf)
      .filter((place) => !listed.has(place))
    expect(missing).toEqual([])
  })

  it("names nothing twice, and excuses nothing that is gone", () => {
    const places = rows.map(({ place }) => place)
    expect(places.filter((place, index) => places.indexOf(place) !== index)).toEqual([])
    const there = new Set(constants.map(placeOf))
    const whole = new Set(constants.map(({ path, name }) => `${path} ${name.split(".")[0]}`))
    const gone = Object.keys(NO_LIMITS).filter((place) => !there.has(place) && !whole.has(place))
    expect(gone).toEqual([])
  })
})

describe("evaluate()", () => {
  const constants = new Map([
    ["CHUNK_BYTES", "1_048_576"],
    ["FOUR", "2 * TWO"],
    ["TWO", "1 + 1"],
  ])
  it.each([
    ["65_536", 65_536],
    ["4 * CHUNK_BYTES", 4_194_304],
    ["FOUR * (TWO + 1) - 2", 10],
    ["1 << 20", 1_048_576],
    ["256 * 2 ** 20", 268_435_456],
    ["2 ** 2 ** 3", 256],
    ["100 / 4 / 5", 5],
    ["0o077", 63],
    ["3 as const", 3],
    ["Date.UTC(9999, 11, 31)", undefined],
    ["new Map([", undefined],
    ["UNKNOWN * 2", undefined],
    ["", undefined],
  ])("reads %j as %j", (text, value) => {
    expect(evaluate(text, (name) => constants.get(name))).toBe(value)
  })
})
