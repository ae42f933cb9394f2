/**
 * A sealed line: a Node `Duplex` inside another one, which a SAM bridge carries and cannot read or change unseen.
 *
 * @see docs/protocol/transfer.md#lines
 * @module
 */
import { Duplex } from "node:stream"
import { AlliumError, forget, isReturning, type Returning, writeAndForget } from "allium/plugin"
import {
  deriveLineKeys,
  LINE_NONCE_BYTES,
  type LineKeys,
  OPENING_BYTES,
  type Opening,
  type Purpose,
  readOpening,
  writeOpening,
} from "./line-keys.ts"
import { Opener, SEALED_BYTES_MAX, Sealer } from "./records.ts"

/** Random bytes for nonces. */
export type RandomBytes = (byteCount: number) => Uint8Array

/**
 * Opens a line to the other side, which must have the same key for this id.
 *
 * @param carrier - Owned by the line from now on, also when this fails.
 * @throws {AlliumError} `CHANNEL_RESET` when it ends before the answer; why it broke.
 */
export async function openLine(
  carrier: Duplex,
  line: { readonly purpose: Purpose; readonly id: Uint8Array; readonly key: Uint8Array },
  random: RandomBytes,
): Promise<SealedLine> {
  const opening: Opening = { purpose: line.purpose, id: line.id, nonce: random(LINE_NONCE_BYTES) }
  carrier.write(writeOpening(opening))
  const nonce = await readFirst(carrier, LINE_NONCE_BYTES)
  const { opener, answerer } = deriveLineKeys(line.key, opening, nonce)
  return new SealedLine(carrier, { send: opener, receive: answerer })
}

/** A line that was opened to us. */
export interface AnsweredLine<T> {
  readonly purpose: Purpose
  /** What `find` found. */
  readonly found: T
  readonly line: SealedLine
}

/**
 * Answers a line.
 *
 * @param carrier - Owned by the line from now on, also when this fails.
 * @param find - The key for an id, and what goes with it; `undefined` for nothing that this peer may have.
 * @throws {AlliumError} `BAD_RECORD`, `NOT_FOUND`, `CHANNEL_RESET`; why it broke.
 */
export async function answerLine<T extends { readonly key: Uint8Array }>(
  carrier: Duplex,
  find: (id: Uint8Array, purpose: Purpose) => T | undefined,
  random: RandomBytes,
): Promise<AnsweredLine<T>> {
  const opening = readOpening(await readFirst(carrier, OPENING_BYTES))
  const found = find(opening.id, opening.purpose)
  if (found === undefined) {
    carrier.destroy()
    throw new AlliumError("NOT_FOUND", "Cannot answer line: there is no such transfer for them")
  }
  const nonce = random(LINE_NONCE_BYTES)
  carrier.write(nonce)
  const keys: LineKeys = deriveLineKeys(found.key, opening, nonce)
  const line = new SealedLine(carrier, { send: keys.answerer, receive: keys.opener })
  return { purpose: opening.purpose, found, line }
}

/** See the module. Ends with an error of its own (`BAD_SEAL`, `CHANNEL_RESET` for a missing end) or that of its carrier. */
export class SealedLine extends Duplex implements Returning {
  readonly returnsBytes = true
  readonly #carrier: Duplex
  readonly #write: (bytes: Uint8Array) => boolean
  readonly #sealer: Sealer
  readonly #opener: Opener

  /** @param keys - One for each direction. Use {@linkcode openLine} or {@linkcode answerLine}. */
  constructor(carrier: Duplex, keys: { readonly send: Uint8Array; readonly receive: Uint8Array }) {
    super({ readableHighWaterMark: SEALED_BYTES_MAX, writableHighWaterMark: SEALED_BYTES_MAX })
    this.#carrier = carrier
    const isOurs = isReturning(carrier)
    // What comes is opened into bytes of its own.
    if ("readerKeeps" in carrier) carrier.readerKeeps = false
    this.#write = (bytes) => (isOurs ? writeAndForget(carrier, bytes) : carrier.write(bytes))
    this.#sealer = new Sealer(keys.send)
    this.#opener = new Opener(keys.receive)
    carrier.on("data", (chunk: Buffer) => {
      this.#arrive(chunk)
      if (isOurs) forget(chunk)
    })
    carrier.on("end", () => this.#ended())
    carrier.on("close", () => this.#closed())
    carrier.on("error", (error) => this.destroy(error))
    carrier.pause()
    this.on("error", () => {})
  }

  override _read(): void {
    this.#carrier.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send(this.#sealer.seal([chunk]), done)
  }

  override _writev(writes: { chunk: Buffer }[], done: () => void): void {
    this.#send(this.#sealer.seal(writes.map(({ chunk }) => chunk)), done)
  }

  override _final(done: () => void): void {
    this.#send(this.#sealer.end(), () => {
      this.#carrier.end()
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // What was ended properly on both sides may still be on its way out.
    if (!(this.writableFinished && this.#opener.hasEnded)) this.#carrier.destroy()
    done(error)
  }

  #send(sealed: readonly Uint8Array[], done: () => void): void {
    const carrier = this.#carrier
    carrier.cork()
    let isRoomy = true
    for (const bytes of sealed) isRoomy = this.#write(bytes)
    carrier.uncork()
    if (isRoomy) done()
    else carrier.once("drain", done)
  }

  #arrive(chunk: Buffer): void {
    try {
      let isWanted = true
      for (const opened of this.#opener.open(chunk)) isWanted = this.#hand(opened) && isWanted
      if (!isWanted) this.#carrier.pause()
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  #hand(opened: { kind: string; pieces?: readonly Uint8Array[] }): boolean {
    if (this.destroyed) return false
    let isWanted = true
    for (const piece of opened.pieces ?? []) isWanted = this.push(piece)
    if (opened.kind === "end") this.push(null)
    return isWanted
  }

  /** What came before a proper end may still be read. */
  #closed(): void {
    if (!this.#opener.hasEnded || !this.writableFinished) this.destroy(cut())
  }

  #ended(): void {
    if (!this.#opener.hasEnded) this.destroy(cut())
  }
}

/** The first bytes, exactly; what follows them stays on the stream. */
function readFirst(carrier: Duplex, byteCount: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void) => {
      carrier.off("readable", look).off("end", fail).off("close", fail).off("error", fail)
      finish()
    }
    const look = () => {
      const bytes: Buffer | null = carrier.read(byteCount)
      if (bytes === null) return
      if (bytes.length === byteCount) end(() => resolve(new Uint8Array(bytes)))
      else fail()
    }
    const fail = (error?: unknown) =>
      end(() => {
        carrier.destroy()
        reject(error instanceof Error ? error : cut())
      })
    carrier.on("readable", look).on("end", fail).on("close", fail).on("error", fail)
    look()
  })
}

function cut(): AlliumError {
  return new AlliumError("CHANNEL_RESET", "Cannot go on: the line was cut before its end")
}
