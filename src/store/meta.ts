/**
 * The database's description of itself: id in clear, the rest sealed.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Operation } from "./database.ts"
import type { Keeper } from "./keeper.ts"
import { META_PLACE } from "./places.ts"
import { concatBytes, deriveStoreKeys, openValue, type StoreKeys, sealValue } from "./seal.ts"

const ID_BYTES = 16

const metaShape = z.object({
  created: z.iso.datetime(),
  /** How many migrations it has gone through. */
  schema: z.int().nonnegative(),
})

/** What a database says about itself. */
export interface Meta extends z.infer<typeof metaShape> {
  readonly id: Uint8Array
}

/**
 * @returns `undefined` for a database without a description: a new one.
 * @throws {AlliumError} `STORE_WRONG_KEY` when it does not open: the files themselves were found sound.
 */
export async function readMeta(keeper: Keeper, masterKey: Uint8Array): Promise<Meta | undefined> {
  const [value] = await keeper.use((database) => database.getMany([META_PLACE]))
  if (value === undefined) return undefined
  const id = new Uint8Array(value.subarray(0, ID_BYTES))
  const keys = deriveStoreKeys(masterKey, id)
  try {
    const plain = openValue(keys, META_PLACE, value.subarray(ID_BYTES))
    return { id, ...metaShape.parse(unpackValue(plain)) }
  } catch (cause) {
    const message =
      "Cannot open store: it does not open with this key, expected the one it was made with"
    throw new AlliumError("STORE_WRONG_KEY", message, { cause })
  }
}

/** The write that (re)places the description. */
export function writeMeta(
  core: { keys: StoreKeys; random: RandomBytes },
  meta: z.infer<typeof metaShape>,
): Operation {
  const sealed = sealValue(core.keys, META_PLACE, packValue(meta), core.random)
  return { place: META_PLACE, sealed: concatBytes([core.keys.id, sealed]) }
}
