// @ts-check
/**
 * A hashing thread: answers each batch of jobs with as many answers.
 *
 * In JavaScript, because a thread begins with a file that Node reads as it is, from the sources as from a package.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { readSync } from "node:fs"
import { parentPort } from "node:worker_threads"

/** @typedef {import("./hash-job.ts").HashJob} HashJob */
/** @typedef {import("./hash-job.ts").HashAnswer} HashAnswer */
/** @typedef {import("node:crypto").Hash} Hash */
/** @typedef {{ whole: Hash, blocks: Uint8Array[], block: Hash | undefined, blockLeft: number }} Row */

/** Read in one go; fits the processor's cache. */
const READ_BYTES = 262_144

const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
/** What rows have come to. @type {Map<number, Row>} */
const rows = new Map()

parentPort?.on("message", (/** @type {readonly HashJob[]} */ jobs) => {
  parentPort?.postMessage(jobs.map(answer))
})

/**
 * @param {HashJob} job
 * @returns {HashAnswer}
 */
function answer(job) {
  const row = rows.get(job.row) ?? newRow(job)
  rows.delete(job.row)
  try {
    if (job.end === "drop") return new Uint8Array()
    for (const span of job.spans) hashSpan(span, row, job.blockBytes)
    if (job.end === "digest") return digestOf(row)
    rows.set(job.row, row)
    return new Uint8Array()
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "EIO"
  }
}

/**
 * @param {HashJob} job
 * @returns {Row}
 */
function newRow({ algorithm, blockBytes }) {
  return { whole: createHash(algorithm), blocks: [], block: undefined, blockLeft: blockBytes }
}

/**
 * @param {import("./hash-job.ts").HashSpan} span
 * @param {Row} row
 * @param {number} blockBytes
 */
function hashSpan([descriptor, at, byteCount], row, blockBytes) {
  for (let done = 0; done < byteCount; ) {
    const count = read(descriptor, at + done, Math.min(READ_BYTES, byteCount - done))
    if (count === 0) throw Object.assign(new Error("The file ends before"), { code: "EOF" })
    const bytes = buffer.subarray(0, count)
    row.whole.update(bytes)
    if (blockBytes > 0) hashBlocks(bytes, row, blockBytes)
    done += count
  }
}

/**
 * @param {number} descriptor
 * @param {number} at
 * @param {number} length
 */
function read(descriptor, at, length) {
  if (descriptor >= 0) return readSync(descriptor, buffer, 0, length, at)
  buffer.fill(0, 0, length)
  return length
}

/**
 * @param {Uint8Array} bytes
 * @param {Row} row
 * @param {number} blockBytes
 */
function hashBlocks(bytes, row, blockBytes) {
  for (let done = 0; done < bytes.length; ) {
    const part = bytes.subarray(done, done + row.blockLeft)
    row.block ??= createHash("sha1")
    row.block.update(part)
    row.blockLeft -= part.length
    done += part.length
    if (row.blockLeft === 0) endBlock(row, blockBytes)
  }
}

/**
 * @param {Row} row
 * @param {number} blockBytes
 */
function endBlock(row, blockBytes) {
  if (row.block !== undefined) row.blocks.push(row.block.digest())
  row.block = undefined
  row.blockLeft = blockBytes
}

/** @param {Row} row */
function digestOf(row) {
  endBlock(row, 0)
  return new Uint8Array(Buffer.concat([row.whole.digest(), ...row.blocks]))
}
