/**
 * Whether a device is one of its identity's still: protocol `/listed/1`, asked of the first device over each new link to it.
 *
 * @see docs/protocol/device.md "Unlinked"
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { IdentityBook } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import type { DeviceBook } from "./device-book.ts"
import type { ChannelHandler } from "./identity-links.ts"

/** Name of the protocol on a link. */
export const LISTED_PROTOCOL = "/listed/1"
const UNLINKED = 0
const LISTED = 1
/** For one byte each way. */
const ASK_MS = 30_000

/** What the answer stands on. */
export interface ListedTools {
  readonly own: Pick<DeviceBook, "wasUnlinked">
  readonly identities: Pick<IdentityBook, "deviceSecrets">
}

/**
 * The first device's answer: only who was on the list, and had that address, hears that it is there no more. A first device that
 * came back from its words may not know its devices yet, and says nothing.
 */
export async function answerListed(
  { identity, peerAddress, device, channel }: Parameters<ChannelHandler>[0],
  { own, identities }: ListedTools,
): Promise<void> {
  const number = await readByte(channel)
  const wasOurs = () => {
    const secrets = identities.deviceSecrets(identity, number ?? 0)
    return deriveDestinationKeys(secrets.destination).destination.b32 === peerAddress
  }
  if (identity.device !== 0 || number === undefined) return void channel.end()
  if (device === number) channel.end(Uint8Array.of(LISTED))
  else if (device === undefined && own.wasUnlinked(identity, number) && wasOurs())
    channel.end(Uint8Array.of(UNLINKED))
  else channel.end()
  await channel.delivered
}

/** Asks over a channel to the first device, which it ends. @throws {AlliumError} What the link says. */
export async function askListed(
  channel: Channel,
  device: number,
): Promise<"listed" | "unlinked" | undefined> {
  channel.end(Uint8Array.of(device))
  const answer = await readByte(channel)
  return answer === UNLINKED ? "unlinked" : answer === LISTED ? "listed" : undefined
}

/** The only byte there is; `undefined` when there is none, or more. */
async function readByte(channel: Channel): Promise<number | undefined> {
  const late = setTimeout(() => channel.destroy(tooLate()), ASK_MS)
  const bytes: number[] = []
  try {
    const pieces = channel.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
    for await (const piece of pieces) if (bytes.push(...piece.subarray(0, 2)) > 1) break
  } finally {
    clearTimeout(late)
  }
  return bytes.length === 1 ? bytes[0] : undefined
}

function tooLate(): AlliumError {
  return new AlliumError("TIMED_OUT", "Cannot ask device: no answer came")
}
