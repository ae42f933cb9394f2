/** Torrents and traffic of other programs. See `test/vectors/torrent/README.md`. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "../../../../support/project.ts"

const FOLDER = join(projectRoot, "test", "vectors", "torrent")

export function foreignTorrent(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(FOLDER, `${name}.torrent`)))
}

/** What libtorrent sends as a seeder. */
export function libtorrentBytes(): Uint8Array {
  const text = readFileSync(join(FOLDER, "libtorrent-2.0.8-seeder.hex"), "utf8")
  return new Uint8Array(Buffer.from(text.replaceAll("\n", ""), "hex"))
}

/** The content those torrents were made of, as `make-content.py` makes it. */
export function foreignContent(seed: "single" | "a" | "u"): Uint8Array {
  const byteCount = { single: 300_000, a: 100_000, u: 50_000 }[seed]
  const blocks = Array.from({ length: Math.ceil(byteCount / 32) }, (_, index) => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(index)
    return createHash("sha256").update(seed).update(counter).digest()
  })
  return new Uint8Array(Buffer.concat(blocks).subarray(0, byteCount))
}

/** SHA-1 of each piece, one after the other. */
export function hashPieces(content: Uint8Array, pieceBytes: number): Uint8Array {
  const hashes: Buffer[] = []
  for (let at = 0; at < content.length; at += pieceBytes)
    hashes.push(
      createHash("sha1")
        .update(content.subarray(at, at + pieceBytes))
        .digest(),
    )
  return new Uint8Array(Buffer.concat(hashes))
}
