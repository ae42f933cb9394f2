/**
 * Keys of messages that others overtook: kept until they come, within bounds.
 *
 * @see https://signal.org/docs/specifications/doubleratchet/#out-of-order-messages
 * @module
 */

/** Of one session: each is 32 bytes, and 42 on disk. Beyond, the oldest are forgotten. */
export const KEPT_KEYS_MAX = 2_000
/** Each costs one try for an envelope that is of none of them. Beyond, the oldest is forgotten with its keys. */
export const KEPT_CHAINS_MAX = 256
/** A mailbox keeps nothing longer. */
export const KEPT_MS = 30 * 86_400_000

/** Key of one message that has not come. */
export interface KeptKey {
  /** Place in its chain, from 0. */
  readonly number: number
  /** 32 bytes. */
  readonly messageKey: Uint8Array
  /** When it was overtaken, milliseconds since 1970. */
  readonly atMs: number
}

/** How messages of one chain are known. */
export interface ChainMark {
  /** Opens headers of this chain; 32 bytes. Empty where headers are not encrypted. */
  readonly headerKey: Uint8Array
  /** Whether its envelopes are first ones, see `frame.ts`. */
  readonly first: boolean
}

/** Keys of one chain, in order of their numbers; never empty. */
export interface KeptChain extends ChainMark {
  readonly keys: readonly KeptKey[]
}

/** All of a session: the chain that got keys last stands last. */
export type KeptKeys = readonly KeptChain[]

/** Adds keys that follow those of the chain. */
export function keepKeys(kept: KeptKeys, mark: ChainMark, keys: readonly KeptKey[]): KeptKeys {
  if (keys.length === 0) return kept
  const before = kept.find((chain) => isOf(chain, mark.headerKey))
  const { headerKey, first } = mark
  const chain = { headerKey, first, keys: [...(before?.keys ?? []), ...keys] }
  return withinBounds([...kept.filter((other) => other !== before), chain])
}

/** The key of a message, and what stays without it; `undefined` when there is none. */
export function takeKey(
  kept: KeptKeys,
  headerKey: Uint8Array,
  number: number,
): { readonly messageKey: Uint8Array; readonly kept: KeptKeys } | undefined {
  const chain = kept.find((one) => isOf(one, headerKey))
  const key = chain?.keys.find((one) => one.number === number)
  if (chain === undefined || key === undefined) return undefined
  const keys = chain.keys.filter((one) => one !== key)
  const rest = kept.map((one) => (one === chain ? { ...chain, keys } : one))
  return { messageKey: key.messageKey, kept: rest.filter((one) => one.keys.length > 0) }
}

/** Forgets what is too old; the same value when nothing is. */
export function withoutOld(kept: KeptKeys, nowMs: number): KeptKeys {
  const isOld = ({ atMs }: KeptKey) => atMs + KEPT_MS < nowMs
  if (!kept.some(({ keys }) => keys.some(isOld))) return kept
  const young = kept.map((chain) => ({ ...chain, keys: chain.keys.filter((key) => !isOld(key)) }))
  return young.filter(({ keys }) => keys.length > 0)
}

/** How many keys there are. */
export function countKeys(kept: KeptKeys): number {
  return kept.reduce((sum, { keys }) => sum + keys.length, 0)
}

function withinBounds(kept: KeptKeys): KeptKeys {
  const chains = kept.slice(-KEPT_CHAINS_MAX)
  let excess = countKeys(chains) - KEPT_KEYS_MAX
  const bounded: KeptChain[] = []
  for (const chain of chains) {
    const keys = excess > 0 ? chain.keys.slice(excess) : chain.keys
    excess -= chain.keys.length - keys.length
    if (keys.length > 0) bounded.push(keys === chain.keys ? chain : { ...chain, keys })
  }
  return bounded
}

/** Whether a header key is that of a chain, also after the disk. */
export function isOf(chain: ChainMark, headerKey: Uint8Array): boolean {
  return Buffer.compare(chain.headerKey, headerKey) === 0
}
