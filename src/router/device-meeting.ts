/**
 * A new device dials the first one, and is answered: protocol `/device/1` over a link from a throw-away address.
 *
 * @see docs/protocol/device.md
 * @module
 */
import type { Readable } from "node:stream"
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { keyFromText } from "../identity/keys.ts"
import type { Channel } from "../link/link.ts"
import { openLink } from "../link/open-link.ts"
import type { DeviceCode } from "./device-code.ts"
import {
  ASK_BYTES,
  askToJoin,
  DEVICE_PROTOCOL,
  HANDOVER_BYTES_MAX,
  type Handover,
  handOver,
  isAsking,
  type Meeting,
  refused,
} from "./device-wire.ts"
import { dial } from "./dial.ts"
import { makeLinkSigner } from "./link-signer.ts"
import type { Sessions } from "./sessions.ts"

/** From the first byte of the asking to the last of the answer. */
const MEETING_MS = 120_000
const HANDSHAKE_MS = 15_000

/** What meeting stands on. */
export interface MeetingTools {
  readonly sessions: Pick<Sessions, "openOwn">
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/**
 * Asks the first device for everything.
 *
 * @throws {AlliumError} `DEVICE_REFUSED` when the code is not good there; `PEER_UNREACHABLE`, what the link says.
 */
export async function fetchHandover(
  tools: MeetingTools,
  code: DeviceCode,
  call: { signal: AbortSignal },
): Promise<Handover> {
  await using scope = new Scope()
  const { sessions, random, clock, log } = tools
  const signal = AbortSignal.any([call.signal, scope.signal])
  const signer = makeLinkSigner(random(32))
  const name = `device ${Buffer.from(random(4)).toString("hex")}`
  const session = await sessions.openOwn({ kind: "mail", name }, "transient", scope)
  await session.ready({ signal })
  const link = await openLink({
    identity: signer,
    destination: session.destination,
    role: "out",
    stream: await dial(session, code.address, { signal }, tools),
    expectedPeer: keyFromText(code.key),
    limits: { handshakeMs: HANDSHAKE_MS },
    ...{ signal, clock, random, log },
  })
  scope.use(link)
  const limit = AbortSignal.any([signal, AbortSignal.timeout(MEETING_MS)])
  const channel = link.open(DEVICE_PROTOCOL, { signal: limit })
  channel.on("error", () => {})
  const identityKey = keyFromText(code.key)
  const meeting = { secret: code.secret, callerKey: signer.publicKey, identityKey }
  const { ask, open } = askToJoin(meeting, random)
  channel.end(ask)
  return open(await answerOn(channel, limit))
}

/** A refusal is a channel that ends without an answer. */
async function answerOn(channel: Channel, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await readAtMost(channel, HANDOVER_BYTES_MAX)
  } catch (error) {
    signal.throwIfAborted()
    if (isAlliumError(error, "LINK_LOST")) throw error
    throw refused()
  }
}

/**
 * Answers whoever knows the code.
 *
 * @param secret - Of the code; asked for once the asking is whole.
 * @param give - Called once the proof holds; from then on the code is used.
 * @throws {AlliumError} `DEVICE_REFUSED`.
 */
export async function answerAsking(
  channel: Channel,
  ends: Omit<Meeting, "secret">,
  how: {
    readonly secret: () => Uint8Array | undefined
    readonly give: () => Promise<Handover>
    readonly random: RandomBytes
  },
): Promise<void> {
  const limit = AbortSignal.timeout(MEETING_MS)
  const give = () => channel.destroy()
  limit.addEventListener("abort", give, { once: true })
  try {
    const ask = await readAtMost(channel, ASK_BYTES)
    const secret = how.secret()
    if (secret === undefined || !isAsking({ ...ends, secret }, ask)) throw refused()
    channel.end(handOver({ ...ends, secret }, ask, await how.give(), how.random))
    await channel.delivered
  } finally {
    limit.removeEventListener("abort", give)
  }
}

/** @throws {AlliumError} `BAD_RECORD` for more bytes. */
async function readAtMost(from: Readable, byteMost: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let byteCount = 0
  const pieces = from.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  for await (const piece of pieces) {
    byteCount += piece.length
    if (byteCount > byteMost)
      throw new AlliumError("BAD_RECORD", `Cannot read: longer than ${byteMost} bytes`)
    chunks.push(piece)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
