/**
 * Tags of messages that may pass (IRCv3); all others are taken out.
 *
 * @see https://ircv3.net/registry#tags
 * @module
 */

/** What a program may tell. Typing notices and clocks are left out: they say when somebody is there. */
const OUTGOING = new Set(["label", "batch", "+draft/reply", "+reply", "+draft/react", "+react"])

/** What a server may tell: everything with a plain name. */
const NAME = /^[+]?(?:[A-Za-z0-9.-]{1,64}\/)?[A-Za-z0-9-]{1,64}$/

/** @param tags - `a=b;c`, without the `@`. */
export function outgoingTags(tags: string): string {
  return keep(tags, (name) => OUTGOING.has(name))
}

/** @param tags - As for {@linkcode outgoingTags}. */
export function incomingTags(tags: string): string {
  return keep(tags, (name) => NAME.test(name))
}

function keep(tags: string, may: (name: string) => boolean): string {
  const kept = tags.split(";").filter((tag) => may(tag.split("=", 1)[0]!) && !tag.includes("\x01"))
  return kept.join(";")
}
