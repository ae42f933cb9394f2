/**
 * A file to a group as people and programs see it: one transfer, with what became of it at each member. Pure.
 *
 * @module
 */
import type { TransferDocument } from "../offers.ts"

/** From what goes on to what has ended: the state of the whole is the first that some member's transfer has. */
const ORDER: readonly TransferDocument["state"][] = [
  ...(["hashing", "transferring", "verifying", "waiting", "offered", "paused"] as const),
  ...(["done", "failed", "cancelled"] as const),
]

/**
 * @param id - Of the whole.
 * @param members - One for each member, at least one.
 */
export function toGroupDocument(
  id: string,
  members: readonly TransferDocument[],
): TransferDocument {
  const [first] = members as [TransferDocument]
  const { contact: _, reason: __, peers: ___, ...same } = first
  const state = ORDER.find((one) => members.some((member) => member.state === one)) ?? first.state
  const isOneReason = members.every(({ reason }) => reason === first.reason)
  const peers = members.reduce((sum, one) => sum + (one.peers ?? 0), 0)
  return {
    ...{ ...same, id, state },
    ...(isOneReason && first.reason !== undefined && { reason: first.reason }),
    done: Math.floor(members.reduce((sum, { done }) => sum + done, 0) / members.length),
    bytesPerSecond: members.reduce((sum, one) => sum + one.bytesPerSecond, 0),
    ...(peers > 0 && { peers }),
    members: members.map((one) => ({
      ...{ contact: one.contact ?? "", id: one.id, state: one.state, done: one.done },
      ...(one.reason !== undefined && { reason: one.reason }),
    })),
  }
}

/** What `file show` tells of the members, one line each. */
export function toMemberLines({ members = [], size }: TransferDocument): string[] {
  return members.map(({ contact, state, done, id, reason }) => {
    const percent = size === 0 ? "" : `, ${Math.floor((100 * done) / size)} %`
    return `  ${contact}: ${state}${reason === undefined ? "" : ` (${reason})`}${percent}, ${id}`
  })
}
