/**
 * The recovery phrase: 24 words that are everything an identity is made of.
 *
 * @see https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki
 * @module
 */
import { pbkdf2 } from "node:crypto"
import { promisify } from "node:util"
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { AlliumError } from "../base/errors.ts"

/** 256 bits: 24 words. */
export const ENTROPY_BYTES = 32
const WORD_COUNT = 24
const ROUNDS = 2048
const SEED_BYTES = 64
const stretch = promisify(pbkdf2)

/** @param entropy - 32 bytes. @returns 24 English words with single spaces. */
export function toPhrase(entropy: Uint8Array): string {
  if (entropy.length !== ENTROPY_BYTES)
    throw new RangeError("Cannot make phrase: expected 32 bytes")
  return entropyToMnemonic(entropy, wordlist)
}

/**
 * Reads words as people type them: any spaces, any case.
 *
 * @returns 32 bytes.
 * @throws {AlliumError} `BAD_PHRASE`; says which place is wrong, never which word.
 */
export function readPhrase(phrase: string): Uint8Array {
  const words = phrase.normalize("NFKD").trim().toLowerCase().split(/\s+/)
  if (words.length !== WORD_COUNT) throw bad(`has ${words.length} words, expected ${WORD_COUNT}`)
  const unknown = words.findIndex((word) => !wordlist.includes(word))
  if (unknown >= 0) throw bad(`word ${unknown + 1} is not in the list of 2,048 words`)
  try {
    return new Uint8Array(mnemonicToEntropy(words.join(" "), wordlist))
  } catch {
    throw bad("its checksum is wrong, expected the words in their order")
  }
}

/** BIP39's seed with an empty passphrase, 64 bytes; 2 ms off the main thread. */
export async function seedOf(entropy: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await stretch(toPhrase(entropy), "mnemonic", ROUNDS, SEED_BYTES, "sha512"))
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_PHRASE", `Cannot read phrase: ${found}`)
}
