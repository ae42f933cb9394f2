/**
 * `allium identity backup` and `identity restore`: keeping what one needs to come back, and coming back.
 *
 * @module
 */
import { open, readFile, stat } from "node:fs/promises"
import { z } from "zod"
import { AlliumError } from "../../base/errors.ts"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import { BACKUP_BYTES_MAX } from "../backup-format.ts"
import type { BackupOffice } from "../backup-office.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import { parseTowerUri } from "../tower-uri.ts"
import { identityField } from "./fields.ts"

const nameField = z.string().min(1).max(64).meta({ description: "Seen by nobody but you" })

const backup = offer({
  verb: "identity backup",
  summary: "Write the encrypted backup of an identity now: to its towers, or into a file",
  input: z.object({
    identity: identityField,
    to: z
      .string()
      .min(1)
      .max(4_096)
      .optional()
      .meta({ kind: "path", description: "A new file, instead of the towers" }),
  }),
  output: z.object({
    identity: z.string(),
    bytes: z.number(),
    towers: z.array(z.string()),
    file: z.string().optional(),
  }),
  examples: ["identity backup", "identity backup --to work.backup"],
  display: { line: "{identity} is backed up: {bytes|bytes}, only its 24 words open it." },
})

const restore = offer({
  verb: "identity restore",
  summary: "Bring identities back from their 24 words, with contacts and towers",
  input: z.object({
    words: z.string().max(400).meta({ kind: "secret", description: "The 24 words" }),
    names: z
      .array(nameField)
      .max(64)
      .default([])
      .meta({ description: "What to call them, first identity first; backups say it by default" }),
    tower: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .meta({ description: "A tower that has the backup: allium-tower:…; quicker than asking" }),
    from: z
      .string()
      .min(1)
      .max(4_096)
      .optional()
      .meta({ kind: "path", description: "A file that identity backup wrote" }),
  }),
  output: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      key: z.string(),
      contacts: z.number(),
      backup: z.enum(["looking", "found"]),
    }),
  ),
  positional: ["names"],
  examples: ["identity restore", "identity restore --from work.backup"],
  display: { columns: ["name", "address", "contacts", "backup"] },
})

/** Every offer of this file. */
export const backupOffers: readonly Offer[] = [backup, restore]

/** Gives the offers their runners. */
export function answerBackupOffers(
  book: OfferBook,
  { identities, backups, keepsakes, restores }: BackupOffice & { identities: IdentityBook },
): void {
  book.register(backup, async ({ identity: own, to }, { signal }) => {
    const identity = identities.find(own)
    if (to !== undefined) {
      const bytes = await backups.make(identity)
      await writeNew(to, bytes)
      await keepsakes.refresh(identity)
      return { identity: identity.name, bytes: bytes.length, towers: [], file: to }
    }
    const { byteCount, towers } = await backups.write(identity, { signal })
    await keepsakes.refresh(identity)
    return { identity: identity.name, bytes: byteCount, towers: [...towers] }
  })
  book.register(restore, async ({ words, names, tower, from }, { signal }) => {
    const file = from === undefined ? undefined : await readBackup(from)
    const at = tower === undefined ? undefined : parseTowerUri(tower)
    const wish = { words, names: names.length > 0 ? names : undefined, tower: at, file }
    await restores.restore(wish, { signal })
    return identities.list().map((identity) => ({
      ...report(identities, identity),
      backup: restores.state(identity) ?? "looking",
    }))
  })
}

function report(identities: IdentityBook, identity: Identity) {
  const { name, destination, key } = identity
  const contacts = identities.contacts(identity).list().length
  return { name, address: destination.b32, key, contacts }
}

/** @throws {AlliumError} `ALREADY_EXISTS`, `BAD_INPUT` when the place cannot be written. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "EEXIST")
      throw new AlliumError("ALREADY_EXISTS", "Cannot write backup: the file is there already")
    throw new AlliumError("BAD_INPUT", "Cannot write backup: the place cannot be written", {
      cause,
    })
  })
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** @throws {AlliumError} `NOT_FOUND`, `TOO_LARGE`. */
async function readBackup(path: string): Promise<Uint8Array> {
  try {
    if ((await stat(path)).size > BACKUP_BYTES_MAX) throw tooLarge()
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    if (cause instanceof AlliumError) throw cause
    throw new AlliumError("NOT_FOUND", "Cannot read backup: there is no such file", { cause })
  }
}

function tooLarge(): AlliumError {
  return new AlliumError("TOO_LARGE", "Cannot read backup: the file is longer than 16 MiB")
}
