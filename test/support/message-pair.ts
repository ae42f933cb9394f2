/** Ann and Bob with the messages plugin, and short words for what they do. */
import * as care from "../../plugins/messages/care-offers.ts"
import { messages } from "../../plugins/messages/index.ts"
import type { MessageDocument } from "../../plugins/messages/offers.ts"
import * as offers from "../../plugins/messages/offers.ts"
import type { Offer } from "../../src/router/offer.ts"
import { FakePair, type FakePeer, type FakePeerOptions } from "./fake-plugin-context.ts"

const OFFERS = new Map<string, Offer>(
  [...Object.values(offers), ...Object.values(care)]
    .filter((one): one is Offer & typeof one => typeof one === "object" && "verb" in one)
    .map((offer) => [offer.verb, offer as Offer]),
)

/** Runs `message <verb>`. */
export function ask<T = MessageDocument>(who: FakePeer, verb: string, input: object): Promise<T> {
  const offer = OFFERS.get(`message ${verb}`)
  if (offer === undefined) throw new Error(`No offer "message ${verb}"`)
  return who.run(offer, { ...input } as Record<string, unknown>) as Promise<T>
}

/** All that a side has with the other. */
export function listAll(who: FakePeer): Promise<MessageDocument[]> {
  return ask(who, "list", { contact: who.other.name, limit: 1_000 })
}

/** Both run; the link is up. */
export async function openMessagePair(options: { left?: FakePeerOptions } = {}) {
  const pair = new FakePair(options)
  await pair.left.start(messages)
  await pair.right.start(messages)
  pair.connect()
  return { pair, ann: pair.left, bob: pair.right, settle: () => pair.world.settle() }
}

/** Says something, and waits until the other side has it. */
export async function say(
  who: FakePeer,
  text: string,
  more: object = {},
): Promise<MessageDocument> {
  const input = { contact: who.other.name, text, wait: true, ...more }
  return ask(who, "send", input)
}
