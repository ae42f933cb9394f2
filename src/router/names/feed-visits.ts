/**
 * Visits to feeds over I2P: a fresh address for each, so that no two feeds know they have one reader.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import type { Chance } from "../../base/random.ts"
import { Scope } from "../../base/scope.ts"
import { dial } from "../dial.ts"
import type { Resolver } from "../resolver.ts"
import type { Sessions } from "../sessions.ts"
import { shortAddress } from "./address.ts"
import { getFeed } from "./feed-get.ts"
import type { VisitFeed } from "./feed-keeper.ts"

/** For a session and a stream: up to 40 s and 90 s. */
const DIAL_MS = 180_000

/** How feeds are visited. */
export function openFeedVisits(tools: {
  readonly sessions: Sessions
  readonly resolver: Resolver
  readonly clock: Clock
  readonly chance: Chance
}): VisitFeed {
  const { sessions, resolver } = tools
  return async (place, marks, call) => {
    await using scope = new Scope()
    const session = await sessions.openOwn({ kind: "names", name: "feed" }, "transient", scope)
    const dialFeed: Parameters<typeof getFeed>[0] = async ({ host, port }, { signal }) => {
      const { address, source } = await resolver.lookup(host, { signal })
      const to = { signal, waitMs: DIAL_MS, toPort: port }
      const stream = await dial(session, address, to, tools)
      // What the user calls a site is not for the site to know.
      return { stream, host: source === "petname" ? shortAddress(address) : host }
    }
    return getFeed(dialFeed, place, marks, call)
  }
}
