/**
 * The recovery phrase in a sealed file of its own, so that losing the database is not losing the identities.
 *
 * @module
 */
import { hkdfSync } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError } from "../base/errors.ts"
import { writeFileDurably } from "../base/files.ts"
import type { RandomBytes } from "../base/random.ts"
import { readKeyFile } from "../store/key-file.ts"
import { seal, unseal } from "../store/seal.ts"
import { ENTROPY_BYTES } from "./phrase.ts"

const FILE_NAME = "phrase.sealed"
const USE = "allium phrase v1"
const NONCE_BYTES = 24

/** @returns 32 bytes of entropy, or `undefined` when there is no file. @throws {AlliumError} `KEY_FILE_DAMAGED`, `KEY_FILE_EXPOSED`. */
export async function readPhraseFile(
  folder: string,
  masterKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  const sealed = await readKeyFile(join(folder, FILE_NAME), "phrase")
  if (sealed === undefined) return undefined
  const entropy = unseal(keyOf(masterKey), new TextEncoder().encode(USE), sealed)
  if (entropy?.length === ENTROPY_BYTES) return entropy
  throw new AlliumError("KEY_FILE_DAMAGED", "Cannot read phrase: its file does not open")
}

/** On disk when it resolves; mode 0600 in a folder of mode 0700. */
export async function writePhraseFile(
  folder: string,
  masterKey: Uint8Array,
  entropy: Uint8Array,
  random: RandomBytes,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const bound = new TextEncoder().encode(USE)
  const sealed = seal({ key: keyOf(masterKey), bound, nonce: random(NONCE_BYTES) }, entropy)
  await writeFileDurably(join(folder, FILE_NAME), sealed, 0o600)
}

function keyOf(masterKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", masterKey, new Uint8Array(), USE, 32))
}
