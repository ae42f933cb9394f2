/**
 * The vault: one file with the master key of a home, wrapped by a passphrase or lying there in clear.
 *
 * A home has `vault.json` (this), `store/` (the store) and `keys/` (the recovery phrase). The vault is made on
 * the first run only: when data is there and the vault is not, that is an error and never a new key.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7914 (scrypt)
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { access, mkdir } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError } from "../base/errors.ts"
import { createFileDurably, writeFileDurably } from "../base/files.ts"
import { type RandomBytes, systemRandom } from "../base/random.ts"
import { readKeyFile } from "./key-file.ts"
import { type ScryptCost, unwrapKey, type VaultContent, vaultShape, wrapKey } from "./wrap.ts"

const FILE_NAME = "vault.json"
const KEY_BYTES = 32
/** 128 MiB and about 0.36 s on the machine this was measured on. */
const SCRYPT_COST: ScryptCost = { cost: 2 ** 17, blockSize: 8, parallelization: 1 }
/** Whoever has these has had a vault. */
const PROOFS_OF_DATA = [join("store", "store.json"), join("keys", "phrase.sealed")]

/** How the vault is opened or made. */
export interface VaultOptions {
  /** Without one, a new vault holds the key in clear: it then protects a copy of the store, not the disk. */
  readonly passphrase?: string
  /** For tests: cheaper wrapping of new vaults. Old ones say themselves what they cost. */
  readonly scrypt?: ScryptCost
  readonly random?: RandomBytes
}

/**
 * Opens the vault of a home; on the first run makes home (mode 0700) and vault (mode 0600).
 *
 * @returns 32 bytes that encrypt everything else in the home; the caller must not log or keep them elsewhere.
 * @throws {AlliumError} `WRONG_PASSPHRASE`, `PASSPHRASE_NEEDED`, `KEY_FILE_EXPOSED` when others may read the
 * vault, `KEY_FILE_DAMAGED` when it cannot be read or is gone while data is there.
 */
export async function openVault(
  home: string,
  options: VaultOptions = {},
): Promise<{ masterKey: Uint8Array }> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const content = await readVault(home)
  if (content !== undefined) return { masterKey: await unlock(content, options.passphrase) }
  await requireNoData(home)
  const masterKey = (options.random ?? systemRandom)(KEY_BYTES)
  try {
    await createFileDurably(join(home, FILE_NAME), await vaultBytes(masterKey, options), 0o600)
    return { masterKey }
  } catch (error) {
    // Another process made one in the meantime; its key is the home's.
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return openVault(home, options)
    throw error
  }
}

/**
 * Wraps the same master key anew; nothing else in the home changes.
 *
 * @param options.passphrase - The one until now, `next` the one from now on; each may be missing.
 * @throws {AlliumError} as {@linkcode openVault}, and `NOT_FOUND` when there is no vault.
 */
export async function changePassphrase(
  home: string,
  options: VaultOptions & { readonly next?: string },
): Promise<void> {
  const content = await readVault(home)
  if (content === undefined)
    throw new AlliumError("NOT_FOUND", "Cannot change passphrase: this home has no vault")
  const masterKey = await unlock(content, options.passphrase)
  const { passphrase: _before, next, ...rest } = options
  const bytes = await vaultBytes(
    masterKey,
    next === undefined ? rest : { ...rest, passphrase: next },
  )
  await writeFileDurably(join(home, FILE_NAME), bytes, 0o600)
}

async function unlock(content: VaultContent, passphrase: string | undefined): Promise<Uint8Array> {
  if (content.protection === "none") {
    if (passphrase === undefined) return decode(content.key)
    throw new AlliumError(
      "WRONG_PASSPHRASE",
      "Cannot open vault: it has no passphrase, one was given",
    )
  }
  if (passphrase === undefined)
    throw new AlliumError(
      "PASSPHRASE_NEEDED",
      "Cannot open vault: it has a passphrase, none was given",
    )
  return unwrapKey(content, passphrase)
}

async function vaultBytes(masterKey: Uint8Array, options: VaultOptions): Promise<Uint8Array> {
  const { passphrase, scrypt = SCRYPT_COST, random = systemRandom } = options
  const content: VaultContent =
    passphrase === undefined
      ? { format: 1, protection: "none", key: encode(masterKey) }
      : await wrapKey(masterKey, { passphrase, scrypt, random })
  const text = `${JSON.stringify({ ...content, sum: sumOf(content) }, undefined, 2)}\n`
  return new TextEncoder().encode(text)
}

async function readVault(home: string): Promise<VaultContent | undefined> {
  const bytes = await readKeyFile(join(home, FILE_NAME), "vault")
  if (bytes === undefined) return undefined
  const { sum, ...rest } = parseObject(bytes)
  const content = vaultShape.safeParse(rest)
  if (!content.success || !isSum(sum, content.data)) throw damaged("its content is not whole")
  return content.data
}

/** So that a flipped bit is not taken for a wrong passphrase. */
function sumOf(content: VaultContent): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 16)
}

function isSum(sum: unknown, content: VaultContent): boolean {
  if (typeof sum !== "string" || sum.length !== 16) return false
  return timingSafeEqual(Buffer.from(sumOf(content), "latin1"), Buffer.from(sum, "latin1"))
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof value === "object" && value !== null) return { ...value }
  } catch {
    // The parser quotes what it read, so its error stays here.
  }
  throw damaged("it is no JSON object")
}

async function requireNoData(home: string): Promise<void> {
  for (const proof of PROOFS_OF_DATA) {
    const found = await access(join(home, proof)).then(
      () => true,
      () => false,
    )
    if (found) throw damaged("it is gone, and data that needs it is there")
  }
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url")
}

function decode(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64url"))
}

function damaged(found: string): AlliumError {
  return new AlliumError("KEY_FILE_DAMAGED", `Cannot open vault: ${found}`)
}
