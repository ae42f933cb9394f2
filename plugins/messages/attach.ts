/**
 * Files that go with a text: handed to the files plugin, named in the text's record.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { extname } from "node:path"
import { AlliumError, type OfferCall, z } from "allium/plugin"
import type { Office, Talk } from "./office.ts"
import { type Attachment, attachmentShape } from "./wire.ts"

/** Longer files are named without their hash, so that a text does not wait for it. */
const HASHED_BYTES_MAX = 67_108_864
const KINDS: Readonly<Record<string, Attachment["kind"]>> = {
  ...{ ".jpg": "picture", ".jpeg": "picture", ".png": "picture", ".gif": "picture" },
  ...{ ".webp": "picture", ".avif": "picture", ".opus": "voice", ".ogg": "voice", ".oga": "voice" },
}

const transferShape = z.object({ id: z.string(), name: z.string(), size: z.number() })

/** Files under way; cancelled at the end, unless they were kept. */
export interface Attached extends AsyncDisposable {
  readonly list: readonly Attachment[]
  /** The text that names them is in the outbox. */
  keep(): void
}

/**
 * Begins to send the files.
 *
 * @param paths - Absolute.
 * @throws {AlliumError} what `file send` says; what was begun is cancelled then.
 */
export async function attachFiles(
  office: Office,
  talk: Talk,
  paths: readonly string[],
  call: OfferCall,
): Promise<Attached> {
  if (talk.group !== undefined && paths.length > 0)
    throw new AlliumError("BAD_INPUT", "Cannot attach files: a group takes texts only")
  const list: Attachment[] = []
  let kept = false
  const cancel = async () => {
    for (const { transfer } of kept ? [] : list) await cancelOne(office, transfer, call)
  }
  try {
    for (const path of paths) list.push(await attachOne(office, talk, path, call))
  } catch (error) {
    await cancel()
    throw error
  }
  return {
    list,
    keep() {
      kept = true
    },
    [Symbol.asyncDispose]: cancel,
  }
}

async function attachOne(
  office: Office,
  { identity, contact }: Talk,
  path: string,
  call: OfferCall,
): Promise<Attachment> {
  const input = { contact: contact.key, path, identity: identity.name }
  const { id, name, size } = transferShape.parse(await office.context.ask("file send", input, call))
  const sha256 = size <= HASHED_BYTES_MAX ? await hashOf(path) : undefined
  const attachment = {
    ...{ transfer: new Uint8Array(Buffer.from(id, "hex")), name, size },
    kind: KINDS[extname(name).toLowerCase()] ?? "file",
    ...(sha256 !== undefined && { sha256 }),
  }
  const { success, data } = attachmentShape.safeParse(attachment)
  if (success) return data
  throw new AlliumError("BAD_INPUT", "Cannot attach file: its name is longer than 255 bytes")
}

async function hashOf(path: string): Promise<Uint8Array | undefined> {
  const hash = createHash("sha256")
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  } catch {
    return undefined // it went away meanwhile; the files plugin says so
  }
  return new Uint8Array(hash.digest())
}

async function cancelOne(office: Office, transfer: Uint8Array, call: OfferCall): Promise<void> {
  const signal = office.context.signal // also when the caller is gone
  try {
    const id = Buffer.from(transfer).toString("hex")
    await office.context.ask("file cancel", { id }, { ...call, signal })
  } catch {
    office.context.log.warn("attachment.not-cancelled")
  }
}
