/**
 * The world as a group sees it.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { Identity, PluginContext } from "allium/plugin"
import { memberKeyOf } from "./bytes.ts"
import type { GroupWorld } from "./state.ts"

/** The world of one step: what it says of contacts is as it was when it was asked first. */
export function worldOf({ contacts, clock }: PluginContext, identity: Identity): GroupWorld {
  let accepted: Set<string> | undefined
  return {
    self: identity,
    nowMs: Math.floor(clock.now()),
    isContact: (key) => {
      accepted ??= new Set(
        contacts
          .list(identity)
          .filter(({ state }) => state === "accepted")
          .map(memberKeyOf),
      )
      return accepted.has(key)
    },
    random: (length) => new Uint8Array(randomBytes(length)),
  }
}
