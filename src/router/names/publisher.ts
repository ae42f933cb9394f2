/**
 * Records for the names of one's own sites, signed as the site.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import type { OfferBook } from "../offers.ts"
import type { Sessions, Signer } from "../sessions.ts"
import type { TunnelHost } from "../tunnel-host.ts"
import { readAddress, shortAddress } from "./address.ts"
import { makeRecord, type RecordAction } from "./signed-record.ts"

/** What is to be said of a name. */
export interface PublishWish {
  readonly name: string
  readonly action: RecordAction
  /** A site or tunnel of this router by its name, or an address whose session stands here. */
  readonly owner: string
  readonly oldName?: string | undefined
  readonly old?: string | undefined
}

/** @throws {AlliumError} `NOT_FOUND` for a site that is not open here; `BAD_NAME`, `BAD_INPUT`. */
export type Publish = (wish: PublishWish, call: { signal: AbortSignal }) => Promise<string>

/** How records are made. */
export function openPublisher(tools: {
  readonly sessions: Sessions
  readonly tunnels: TunnelHost
  readonly offers: OfferBook
  readonly clock: Clock
}): Publish {
  const { sessions, clock } = tools
  const signer = async (text: string, call: { signal: AbortSignal }): Promise<Signer> => {
    const address = readAddress(text) ?? (await ownAddress(text, tools, call))
    const found = address && sessions.signer(shortAddress(address))
    if (found) return found
    throw new AlliumError("NOT_FOUND", "Cannot sign: no site or tunnel that is open here is that")
  }
  return async ({ name, action, owner, oldName, old }, call) =>
    makeRecord({
      ...{ name, action, oldName },
      owner: await signer(owner, call),
      old: old === undefined ? undefined : await signer(old, call),
      dateS: Math.floor(clock.now() / 1_000),
    })
}

/** Of a tunnel, or of a site where the plugin for sites is here. */
async function ownAddress(
  name: string,
  { tunnels, offers }: { tunnels: TunnelHost; offers: OfferBook },
  call: { signal: AbortSignal },
): Promise<string | undefined> {
  const tunnel = tunnels.list().find((one) => one.name === name)
  if (tunnel?.address !== undefined) return tunnel.address
  if (!offers.has("site show")) return undefined
  try {
    const answer = await offers.run("site show", { name }, { ...call, progress: () => {} })
    return "document" in answer ? (answer.document as { address?: string }).address : undefined
  } catch (error) {
    if (isAlliumError(error, "NOT_FOUND", "BAD_INPUT")) return undefined
    throw error
  }
}
