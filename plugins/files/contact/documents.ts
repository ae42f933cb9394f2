/**
 * Transfers as people and programs see them.
 *
 * @module
 */
import { AlliumError, type OfferCall, type PluginContext, type Progress } from "allium/plugin"
import type { TransferDocument } from "../offers.ts"
import type { Activity, TransferBook } from "./book.ts"
import { isFinished, type Transfer } from "./transfer.ts"

/** Writes a transfer up. */
export function toDocument(
  transfer: Transfer,
  activity: Activity,
  context: Pick<PluginContext, "identities" | "contacts">,
): TransferDocument {
  const { id, direction, name, size, path, sha256, group } = transfer
  const identity = context.identities.list().find(({ key }) => key === transfer.identity)
  const contact =
    identity && context.contacts.list(identity).find(({ key }) => key === transfer.contact)
  const reason = transfer.reason ?? (isAtTower(transfer, activity) ? "AT_TOWER" : activity.waitsFor)
  return {
    ...{ id, direction, name, size },
    identity: identity?.name ?? transfer.identity,
    contact: contact?.name ?? transfer.contactName,
    ...(group && { group: group.name ?? group.id.slice(0, GROUP_DIGITS) }),
    state: stateOf(transfer, activity),
    ...(reason !== undefined && { reason }),
    done: transfer.stage === "done" ? size : activity.done,
    bytesPerSecond: activity.busy ? activity.meter.bytesPerSecond : 0,
    ...(activity.streams > 0 && { peers: 1 }),
    ...(path !== undefined && (direction === "out" || isHere(transfer)) && { path }),
    ...(sha256 && { sha256: Buffer.from(sha256).toString("hex") }),
  }
}

/** Of a group whose name is not known. */
const GROUP_DIGITS = 8

/** Under its name, whole or nearly so. */
function isHere({ stage, isMending }: Transfer): boolean {
  return stage === "done" || isMending === true
}

/** The sender need not be there any more. */
function isAtTower({ stage, tower }: Transfer, { busy }: Activity): boolean {
  return stage === "accepted" && tower?.isStored === true && !busy
}

function stateOf(transfer: Transfer, { busy }: Activity): TransferDocument["state"] {
  const { stage } = transfer
  if (transfer.isPaused && !isFinished(transfer)) return "paused"
  if (stage !== "accepted") return stage
  return busy ? "transferring" : "waiting"
}

/**
 * Resolves when the transfer is done; tells of progress meanwhile.
 *
 * @throws {AlliumError} `FILE_REFUSED`, `FILE_CANCELLED`, `FILE_CHANGED`, `FILE_GONE`, `FILE_CORRUPT`, `NO_CONTACT`,
 * `CONTACT_STATE`; the signal's reason, and the transfer goes on.
 */
export function untilDone(
  id: string,
  book: TransferBook,
  write: (transfer: Transfer, activity: Activity) => TransferDocument,
  call: OfferCall,
): Promise<TransferDocument> {
  return new Promise((resolve, reject) => {
    const look = (transfer: Transfer, activity: Activity) => {
      if (transfer.id !== id) return
      const document = write(transfer, activity)
      if (document.state === "done") end(() => resolve(document))
      else if (document.state === "failed" || document.state === "cancelled")
        end(() => reject(whyNot(document)))
      else call.progress(toProgress(document, activity))
    }
    const abort = () => end(() => reject(call.signal.reason))
    const stop = book.watch(look)
    const end = (finish: () => void) => {
      stop()
      call.signal.removeEventListener("abort", abort)
      finish()
    }
    call.signal.addEventListener("abort", abort)
    if (call.signal.aborted) return abort()
    const transfer = book.get(id)
    if (transfer) look(transfer, book.activity(id))
  })
}

/** What `file show` tells beside the rest. */
export function toDetails(transfer: Transfer, activity: Activity): string[] {
  const { fileCount, files, note, isFolder } = transfer
  const { streams, pieces, pieceCount } = activity
  const more = fileCount > files.length ? [`and ${fileCount - files.length} more`] : []
  return [
    ...(note === undefined ? [] : [`note: ${note}`]),
    ...(streams > 0 ? [`streams: ${streams}`] : []),
    ...(pieceCount > 0 ? [`pieces: ${pieces} of ${pieceCount}`] : []),
    ...(isFolder ? [`files: ${fileCount}`, ...files.map(toLine), ...more] : []),
  ]
}

function toLine({ path, size }: { path: string; size: number }): string {
  return `  ${path}, ${size} bytes`
}

/** What is going on, in the present; whoever shows it tells rate and time left. */
function toProgress(
  document: TransferDocument,
  { streams, pieces, pieceCount }: Activity,
): Progress {
  const { done, size, state, contact, direction, reason } = document
  const way = `${streams} ${streams === 1 ? "stream" : "streams"}, ${pieces}/${pieceCount} pieces`
  const doing = {
    hashing: "hashing",
    waiting: reason === undefined ? `waiting for ${contact}` : `waiting: ${reason}`,
    offered: direction === "out" ? `waiting for ${contact} to accept` : "waiting for your decision",
    transferring: `${direction === "out" ? "sending" : "receiving"}, ${way}`,
    verifying: "verifying",
    ...{ metadata: "", seeding: "seeding", paused: "paused" },
    ...{ done: "", failed: "", cancelled: "" },
  }[state]
  return { done, total: size, unit: "bytes", doing }
}

const WHY = {
  REFUSED: ["FILE_REFUSED", "the contact refused it"],
  CANCELLED: ["FILE_CANCELLED", "it was cancelled"],
  FILE_CHANGED: ["FILE_CHANGED", "it was changed while it was being sent"],
  FILE_GONE: ["FILE_GONE", "it is no longer where it was"],
  FILE_CORRUPT: ["FILE_CORRUPT", "what came is not what was offered"],
  UNKNOWN: ["FILE_GONE", "the contact knows nothing of it any more"],
  NO_IDENTITY: ["NO_IDENTITY", "its identity was removed"],
  NO_CONTACT: ["NO_CONTACT", "the contact was removed"],
  NO_MEMBER: ["FILE_CANCELLED", "they are no member of the group any more"],
  CONTACT_STATE: ["CONTACT_STATE", "the contact is refused or blocked"],
} as const

function whyNot({ direction, reason = "" }: TransferDocument): AlliumError {
  const [code, found] = WHY[reason as keyof typeof WHY] ?? ["NOT_FOUND", `it failed (${reason})`]
  const deed = direction === "out" ? "send" : "receive"
  return new AlliumError(code, `Cannot ${deed} file: ${found}`)
}
