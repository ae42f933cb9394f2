/**
 * Reads many files, one after another, into the same memory.
 *
 * @module
 */
import { open } from "node:fs/promises"

/** Memory for one file at a time: fresh memory for each of a tower's tables costs as much as reading them. */
export class FileReader {
  #buffer = new Uint8Array()

  /**
   * @returns The whole file; the next reading overwrites it. `undefined` when there is none.
   * @throws What the file system says.
   */
  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      await using file = await open(path)
      const { size } = await file.stat()
      if (size > this.#buffer.length) this.#buffer = new Uint8Array(size)
      let at = 0
      for (let got = -1; at < size && got !== 0; at += got)
        got = (await file.read(this.#buffer, at, size - at, at)).bytesRead
      return this.#buffer.subarray(0, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
      throw error
    }
  }
}
