/**
 * What the hashing threads are asked: to read ranges of open files, and to hash them.
 *
 * Files are given as descriptors, which all threads of a process share; whoever asks keeps them open until the answer.
 *
 * @module
 */

/** A range of an open file; a descriptor of -1 is a file of zeros. */
export type HashSpan = readonly [descriptor: number, at: number, byteCount: number]

/** Part of what is hashed as one. */
export interface HashJob {
  /** Which row of jobs this is the next of; 0 for one that stands alone. */
  readonly row: number
  readonly algorithm: "sha1" | "sha256"
  readonly spans: readonly HashSpan[]
  /** Also hash every so many bytes on their own, with SHA-1; 0 for not. */
  readonly blockBytes: number
  /** The row ends with this job, with a digest; or is given up. */
  readonly end: "no" | "digest" | "drop"
}

/**
 * Digest of the row and those of its blocks, one after the other; empty before its end. Or the system's code for what went
 * wrong, `EOF` for a file that ends before: then the row has ended too.
 */
export type HashAnswer = Uint8Array | string
