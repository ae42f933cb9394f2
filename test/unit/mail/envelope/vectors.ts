/**
 * Vectors of others, as they lie in `test/vectors/mail`.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "../../../support/project.ts"

/** @returns What is in `test/vectors/mail/<name>.json`; the test says what it is. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(projectRoot, "test/vectors/mail", `${name}.json`), "utf8"))
}

/** Hexadecimal with any spaces, as bytes. */
export const hex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

/** Bytes in hexadecimal. */
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
