/**
 * What becomes of a contact: one table, the whole truth. `docs/protocol/contact.md` is its other half.
 *
 * @module
 */
import type { ContactState } from "./contacts.ts"

/** `unknown`: there is no such contact. */
export type ContactStanding = ContactState | "unknown"

/** `we`: the user decided. `they`: a notice came over a link that proved their key, or a contact introduced them. */
export const CONTACT_EVENTS = [
  "we request",
  "we accept",
  "we refuse",
  "we block",
  "we unblock",
  "we remove",
  "they request",
  "they accept",
  "they refuse",
  "they are introduced",
] as const
/** Something that happens to a contact. */
export type ContactEvent = (typeof CONTACT_EVENTS)[number]

/** `not allowed`: the user is told. `as before`: what it was when it was blocked. */
export type ContactOutcome = ContactStanding | "not allowed" | "as before"

const TABLE: Readonly<Record<ContactEvent, Readonly<Record<ContactStanding, ContactOutcome>>>> = {
  "we request": {
    unknown: "requested",
    requested: "requested",
    asking: "accepted",
    introduced: "requested",
    accepted: "not allowed",
    refused: "requested",
    blocked: "not allowed",
  },
  "we accept": {
    unknown: "not allowed",
    requested: "not allowed",
    asking: "accepted",
    introduced: "requested",
    accepted: "not allowed",
    refused: "not allowed",
    blocked: "not allowed",
  },
  "we refuse": {
    unknown: "not allowed",
    requested: "not allowed",
    asking: "unknown",
    introduced: "unknown",
    accepted: "not allowed",
    refused: "not allowed",
    blocked: "not allowed",
  },
  "we block": {
    unknown: "not allowed",
    requested: "blocked",
    asking: "blocked",
    introduced: "blocked",
    accepted: "blocked",
    refused: "blocked",
    blocked: "blocked",
  },
  "we unblock": {
    unknown: "not allowed",
    requested: "not allowed",
    asking: "not allowed",
    introduced: "not allowed",
    accepted: "not allowed",
    refused: "not allowed",
    blocked: "as before",
  },
  "we remove": {
    unknown: "not allowed",
    requested: "unknown",
    asking: "unknown",
    introduced: "unknown",
    accepted: "unknown",
    refused: "unknown",
    blocked: "unknown",
  },
  "they request": {
    unknown: "asking",
    requested: "accepted",
    asking: "asking",
    introduced: "asking",
    accepted: "accepted",
    refused: "accepted",
    blocked: "blocked",
  },
  "they accept": {
    unknown: "unknown",
    requested: "accepted",
    asking: "asking",
    introduced: "introduced",
    accepted: "accepted",
    refused: "refused",
    blocked: "blocked",
  },
  "they refuse": {
    unknown: "unknown",
    requested: "refused",
    asking: "asking",
    introduced: "introduced",
    accepted: "accepted",
    refused: "refused",
    blocked: "blocked",
  },
  "they are introduced": {
    unknown: "introduced",
    requested: "requested",
    asking: "asking",
    introduced: "introduced",
    accepted: "accepted",
    refused: "refused",
    blocked: "blocked",
  },
}

/** What `event` makes of a contact that stands at `standing`. */
export function contactOutcome(standing: ContactStanding, event: ContactEvent): ContactOutcome {
  return TABLE[event][standing]
}
