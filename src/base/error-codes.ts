/**
 * The catalogue of error codes: one place for HTTP status, exit code, and advice.
 *
 * Exit codes: 1 failed, 2 wrong usage, 3 no router running, 4 peer or network not reachable, 5 refused.
 * `docs/reference/errors.md` lists them; a test compares.
 *
 * @module
 */

interface Outcome {
  status: number
  exit: number
  /** What the person may do next; a whole sentence. */
  next?: string
}

const catalogue = {
  INTERNAL: { status: 500, exit: 1, next: "Look into the router's log; please report this." },
  ABORTED: { status: 499, exit: 1 },
  TIMED_OUT: { status: 504, exit: 4 },
  BAD_INPUT: { status: 400, exit: 2, next: "See the command's --help." },
  NOT_FOUND: { status: 404, exit: 1 },
  ALREADY_EXISTS: { status: 409, exit: 1 },
  TOO_LARGE: { status: 413, exit: 2 },
  BUSY: { status: 503, exit: 1, next: "Try again in a moment." },
  BAD_OUTPUT: { status: 500, exit: 1, next: "Please report this to the author of the plugin." },
  UNKNOWN_VERB: { status: 404, exit: 2, next: "See allium --help." },
  NO_ROUTER: {
    status: 503,
    exit: 3,
    next: 'Start one with "allium run", or try it out with "allium try".',
  },
  ALREADY_RUNNING: { status: 409, exit: 1, next: "Use the router that runs, or stop it first." },
  BAD_SOCKET: { status: 500, exit: 1, next: "Choose another home with --home." },
  BAD_REQUEST: { status: 400, exit: 2 },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2 },
  NOT_JSON: { status: 415, exit: 2, next: "Send Content-Type: application/json." },
  WRONG_HOST: { status: 421, exit: 5, next: "Use the address the router printed." },
  WRONG_ORIGIN: { status: 403, exit: 5 },
  UNAUTHORIZED: {
    status: 401,
    exit: 5,
    next: "Send Authorization: Bearer and the router's token.",
  },
  TOO_MANY_ATTEMPTS: { status: 429, exit: 5, next: "Wait a minute, or use the Unix socket." },
  BAD_PACK: { status: 400, exit: 1 },
  STORE_CLOSED: { status: 503, exit: 1 },
  STORE_DAMAGED: {
    status: 500,
    exit: 1,
    next: "Copy the home folder, see what is damaged with `allium doctor`, then: allium repair.",
  },
  STORE_EMPTIED: {
    status: 500,
    exit: 1,
    next: "The data was moved or lost: put it back, or restore from your 24 words in a new home.",
  },
  STORE_FAILED: { status: 500, exit: 1, next: "Check the disk; the router's log has the details." },
  STORE_FULL: { status: 507, exit: 1, next: "Free some disk space; the router goes on by itself." },
  STORE_LOCKED: { status: 409, exit: 1, next: "Another router uses this home; stop it first." },
  STORE_TOO_NEW: { status: 500, exit: 1, next: "Use the newer Allium that wrote this home." },
  STORE_WRONG_KEY: { status: 500, exit: 1, next: "Use the key file that belongs to this home." },
  WRONG_PASSPHRASE: { status: 401, exit: 5, next: "Type the passphrase of this home again." },
  PASSPHRASE_NEEDED: { status: 401, exit: 5, next: "Give the passphrase of this home." },
  KEY_FILE_EXPOSED: { status: 500, exit: 5, next: "Take it back: chmod 600 on the key file." },
  KEY_FILE_DAMAGED: { status: 500, exit: 1, next: "Put the key file back from a copy." },
  BAD_KEY: { status: 400, exit: 1 },
  BAD_PHRASE: { status: 400, exit: 2, next: "Check the 24 words and their order." },
  BAD_CARD: { status: 400, exit: 1 },
  CARD_EXPIRED: { status: 400, exit: 1, next: "Ask your contact for a new card." },
  BAD_CONTACT_URI: {
    status: 400,
    exit: 2,
    next: "Copy the whole address, from allium: to its end.",
  },
  NO_IDENTITY: { status: 404, exit: 1, next: "Make one: allium identity create NAME." },
  NO_CONTACT: { status: 404, exit: 1, next: "See whom you know: allium contact list." },
  CONTACT_STATE: { status: 409, exit: 5 },
  TOO_MANY_CONTACTS: { status: 429, exit: 5, next: "Remove or answer some contacts first." },
  BAD_BASE64: { status: 400, exit: 2 },
  BAD_DESTINATION: { status: 400, exit: 2 },
  BAD_NAME: { status: 400, exit: 2 },
  BAD_DESTINATION_KEYS: { status: 400, exit: 2 },
  BAD_SAM_LINE: { status: 502, exit: 4 },
  BRIDGE_UNREACHABLE: {
    status: 503,
    exit: 4,
    next: "Start your I2P router and switch SAM on in it; `allium doctor` looks closer.",
  },
  BRIDGE_SILENT: { status: 504, exit: 4, next: "Restart your I2P router: it no longer answers." },
  BRIDGE_BAD_REPLY: {
    status: 502,
    exit: 4,
    next: "Check that the address is that of a SAM bridge.",
  },
  BRIDGE_REFUSED: { status: 502, exit: 4, next: "Look into your I2P router's log." },
  BRIDGE_FAILED: { status: 502, exit: 4, next: "Look into your I2P router's log." },
  PEER_UNREACHABLE: { status: 504, exit: 4, next: "The other side may be away: try again later." },
  PEER_TIMED_OUT: { status: 504, exit: 4, next: "The other side may be away: try again later." },
  PEER_REFUSED: { status: 502, exit: 4 },
  NAME_NOT_FOUND: { status: 404, exit: 4 },
  SESSION_LOST: { status: 503, exit: 4, next: "Wait: the session is being opened again." },
  SESSION_CLOSED: { status: 409, exit: 1 },
  SESSION_ID_TAKEN: { status: 409, exit: 1 },
  SESSION_NOT_SUPPORTED: { status: 501, exit: 1, next: "Use a newer I2P router." },
  DESTINATION_TAKEN: {
    status: 409,
    exit: 1,
    next: "Another program, or an earlier run, still uses these keys: stop it, or wait a minute.",
  },
  LINK_LOST: { status: 503, exit: 4, next: "The other side went away: try again later." },
  LINK_CLOSED: { status: 503, exit: 4 },
  LINK_REFUSED: {
    status: 502,
    exit: 5,
    next: "The other side does not know you yet, or lives elsewhere now: ask for a new card.",
  },
  LINK_PROTOCOL: { status: 502, exit: 4, next: "Update Allium on both sides." },
  PEER_MISMATCH: { status: 502, exit: 5, next: "Ask your contact for a new card." },
  CHANNEL_RESET: { status: 502, exit: 4 },
  CHANNEL_LIMIT: { status: 503, exit: 1, next: "Wait until other transfers have ended." },
  BAD_PROTOCOL: { status: 502, exit: 4, next: "Update Allium on both sides." },
  BAD_RECORD: { status: 502, exit: 1 },
  OUTBOX_FULL: {
    status: 507,
    exit: 1,
    next: "Wait until the contact has been reached: what waits is sent by itself.",
  },
  MESSAGE_FAILED: { status: 409, exit: 5 },
  FILE_STATE: { status: 409, exit: 1, next: "See how it stands: allium file list." },
  FILE_LIMIT: { status: 429, exit: 1, next: "Cancel or finish some transfers first." },
  FILE_REFUSED: { status: 409, exit: 5 },
  FILE_CANCELLED: { status: 409, exit: 1 },
  FILE_CHANGED: { status: 409, exit: 1, next: "Send the file again as it is now." },
  FILE_GONE: { status: 404, exit: 1, next: "Put the file back and send it again." },
  FILE_CORRUPT: { status: 502, exit: 1, next: "Ask for the file to be sent again." },
  DISK_FULL: {
    status: 507,
    exit: 1,
    next: "Free some disk space; the transfer goes on by itself.",
  },
  SPOOL_FULL: { status: 503, exit: 1, next: "Read faster, or allow more with --spool-mib." },
  STREAM_LOST: { status: 502, exit: 4, next: "Try again: the connection broke on the way." },
  PORT_TAKEN: {
    status: 409,
    exit: 1,
    next: "Choose another port with --listen, or 0 for a free one.",
  },
  LISTEN_FAILED: { status: 409, exit: 1, next: "Choose another address with --listen." },
  HEAD_TOO_LARGE: { status: 431, exit: 2 },
  TOO_SLOW: { status: 408, exit: 1, next: "Try again." },
  TOO_MANY_REQUESTS: { status: 429, exit: 5, next: "Wait a little, then try again." },
  PROXY_REFUSED: {
    status: 403,
    exit: 5,
    next: "This proxy opens I2P sites only; use another way for everything else.",
  },
  BAD_ANSWER: {
    status: 502,
    exit: 4,
    next: "The site answers wrongly: tell its owner, try later.",
  },
  NO_ANSWER: { status: 504, exit: 4, next: "The site is slow or away: try again later." },
  BACKEND_DOWN: { status: 503, exit: 4, next: "Try again later." },
  HOME_UNUSABLE: { status: 500, exit: 1, next: "Choose another folder with --home." },
  HOME_EXPOSED: { status: 500, exit: 5, next: "Take it back: chmod 700 on the home folder." },
  I2PD_FAILED: { status: 500, exit: 4, next: "Start i2pd by hand once to see what it says." },
  I2PD_MISSING: {
    status: 503,
    exit: 4,
    next: "Install i2pd (Debian: apt install i2pd), or name a SAM bridge with --sam HOST:PORT.",
  },
  NO_NETWORK: {
    status: 503,
    exit: 4,
    next: "Install i2pd, or start your I2P router with SAM switched on; to try without I2P: allium try.",
  },
  EMBEDDED_PORT_TAKEN: {
    status: 409,
    exit: 1,
    next: "Choose another port, or stop the program that uses this one.",
  },
  EMBEDDED_NOT_ASKED: {
    status: 409,
    exit: 5,
    next: "Name a real I2P router with --sam HOST:PORT, or say --network embedded to try it out.",
  },
  NOT_ACCEPTED: { status: 409, exit: 5, next: "Wait until they accept, see: allium contact list." },
  CHANNEL_REFUSED: { status: 403, exit: 5 },
  LIMIT_REACHED: { status: 429, exit: 5, next: "Remove one first." },
  NO_TUNNEL: { status: 404, exit: 1, next: "See your tunnels: allium tunnel list." },
  PLUGIN_FAILED: { status: 500, exit: 1, next: "Look at it with: allium status." },
  BAD_BUNDLE: { status: 400, exit: 1 },
  BAD_SESSION: { status: 500, exit: 1 },
  LETTER_TOO_LONG: { status: 413, exit: 2, next: "Send it as a file." },
  NO_POST: { status: 503, exit: 1 },
  MAILBOX_REFUSED: { status: 403, exit: 5 },
  MAILBOX_FULL: { status: 507, exit: 5, next: "Use another tower: allium tower use." },
  NO_QUEUE: { status: 404, exit: 1 },
  BAD_TOKEN: { status: 403, exit: 5, next: "Ask whoever runs the tower for a new invitation." },
  BAD_TOWER_URI: {
    status: 400,
    exit: 2,
    next: "Copy the whole address, from allium-tower: to its end.",
  },
  NO_TOWER: { status: 404, exit: 1, next: "See your towers: allium tower list." },
  BAD_BACKUP: { status: 400, exit: 1 },
} as const satisfies Record<string, Outcome>

/** Name of one expected failure. */
export type ErrorCode = keyof typeof catalogue

/** Every code with its outcome. */
export const ERROR_CODES: Readonly<Record<ErrorCode, Outcome>> = catalogue
