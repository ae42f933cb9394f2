/**
 * Serves a mailbox to whoever is at the other end of a channel.
 *
 * @see docs/protocol/mailbox.md
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import { isAlliumError } from "../../base/errors.ts"
import { Slots } from "../../base/turns.ts"
import type { Channel } from "../../link/link.ts"
import { piecesOf, UploadBudget } from "./assembly.ts"
import { badFrame } from "./fields.ts"
import { FrameStream } from "./frame-stream.ts"
import { REQUESTS_MAX, SUBSCRIPTIONS_MAX, UPLOAD_BUDGET_BYTES } from "./limits.ts"
import type { Mailbox } from "./mailbox.ts"
import { answerRequest, type CallRequest } from "./server-answers.ts"
import { Credit } from "./server-credit.ts"
import { Upload } from "./server-upload.ts"
import { type Answer, answers, type Request, requests, wireCodeOf } from "./wire.ts"

/** How a mailbox is served. */
export interface ServeOptions {
  /** Ends serving, and the channel. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Shared by channels that share memory; 64 MiB of this channel alone when left out. */
  readonly uploads?: UploadBudget
}

/**
 * Serves until the other side ends the channel, the channel breaks, or the signal aborts; never rejects. Whoever breaks
 * the protocol has the channel destroyed. What the mailbox refuses is told as a code, nothing else of it.
 */
export async function serveMailbox(
  channel: Channel,
  mailbox: Mailbox,
  options: ServeOptions,
): Promise<void> {
  const counter = new Counter(new FrameStream(channel), mailbox, options)
  const stop = () => counter.stop()
  options.signal.addEventListener("abort", stop)
  if (options.signal.aborted) stop()
  await counter.run()
  options.signal.removeEventListener("abort", stop)
}

/** One request or subscription that is not answered yet. */
interface Running {
  readonly abort: AbortController
  readonly credit?: Credit
}

class Counter {
  readonly #stream: FrameStream
  readonly #mailbox: Mailbox
  readonly #clock: Clock
  readonly #uploads: UploadBudget
  readonly #slots = new Slots(REQUESTS_MAX)
  readonly #running = new Map<number, Running>()
  readonly #work = new Set<Promise<void>>()
  readonly #over = new AbortController()
  #subscriptionCount = 0
  #upload: Upload | undefined

  constructor(stream: FrameStream, mailbox: Mailbox, { clock, uploads }: ServeOptions) {
    this.#stream = stream
    this.#mailbox = mailbox
    this.#clock = clock
    this.#uploads = uploads ?? new UploadBudget(UPLOAD_BUDGET_BYTES)
  }

  /** What was asked before the other side ended is still answered. */
  async run(): Promise<void> {
    try {
      for await (const frame of this.#stream.read()) await this.#take(requests.decode(frame))
      this.#endSubscriptions()
      await Promise.all(this.#work)
      this.#stream.end()
    } catch (error) {
      this.#stream.destroy(isAlliumError(error, "BAD_RECORD") ? error : undefined)
    } finally {
      this.#giveUp()
      await Promise.all(this.#work)
    }
  }

  /** Gives up everything that runs, and the channel. */
  stop(): void {
    this.#giveUp()
    this.#stream.destroy()
  }

  #giveUp(): void {
    this.#over.abort()
    this.#upload?.end()
    for (const { abort } of this.#running.values()) abort.abort()
  }

  async #take(request: Request): Promise<void> {
    if (request.kind === "more") this.#running.get(request.tag)?.credit?.add(request.credit)
    else if (request.kind === "cancel") this.#cancel(request.tag)
    else if (request.kind === "chunk") this.#addToUpload(request)
    else if (this.#running.has(request.tag)) throw badFrame("its tag is in use")
    else if (request.kind === "subscribe") this.#startSubscription(request)
    else await this.#startCall(request)
  }

  #cancel(tag: number): void {
    if (this.#upload?.tag === tag) this.#upload.end()
    this.#running.get(tag)?.abort.abort()
  }

  #endSubscriptions(): void {
    this.#upload?.end()
    for (const { abort, credit } of this.#running.values()) if (credit) abort.abort()
  }

  /** Resolves when the request has begun: as long as too many run, nothing more is read. */
  #startCall(request: CallRequest): Promise<void> {
    const { tag } = request
    if (request.kind === "putBlob") this.#beginUpload(request)
    return new Promise((begun) => {
      const task = async () => {
        begun()
        await this.#run(tag, {}, (signal) => this.#answer(request, signal))
      }
      const done = () => begun() // also when the channel was over before there was a place
      void this.#slots.take(task, this.#over).then(done, done)
    })
  }

  #startSubscription(request: Request & { kind: "subscribe" }): void {
    const { tag, receiveId, after } = request
    if (this.#subscriptionCount >= SUBSCRIPTIONS_MAX)
      return void this.#track(this.#say({ kind: "failed", tag, code: "BUSY" }))
    this.#subscriptionCount++
    const credit = new Credit(request.credit)
    void this.#run(tag, { credit }, async (signal) => {
      for await (const stored of this.#mailbox.subscribe(receiveId, { after }, { signal })) {
        if (!(await credit.take(signal))) break
        await this.#say({ kind: "envelope", tag, ...stored })
      }
      return { kind: "done", tag }
    }).finally(() => this.#subscriptionCount--)
  }

  /** The tag is free before the last answer is written: who has read it may use the tag again. */
  #run(
    tag: number,
    more: { credit?: Credit },
    answer: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<void> {
    const abort = new AbortController()
    this.#running.set(tag, { abort, ...more })
    const work = async () => {
      const failed = (error: unknown): Answer => ({ kind: "failed", tag, code: wireCodeOf(error) })
      const last = await answer(abort.signal).catch(failed)
      this.#running.delete(tag)
      await this.#say(last).catch((error) => this.#say(failed(error)))
    }
    return this.#track(work())
  }

  async #answer(request: CallRequest, signal: AbortSignal): Promise<Answer> {
    const { tag } = request
    if (request.kind === "putBlob") {
      const { id, writeKey, token } = request
      const bytes = await this.#upload!.received
      const blob = { id, writeKey, bytes, ...(token && { token }) }
      await this.#mailbox.putBlob(blob, { signal })
      return { kind: "done", tag }
    }
    if (request.kind !== "getBlob")
      return answerRequest(this.#mailbox, request, { signal }, (answer) => this.#say(answer))
    const blob = await this.#mailbox.getBlob(request.id, { signal })
    return blob === undefined ? { kind: "none", tag } : this.#sendBlob(tag, blob, signal)
  }

  /** All pieces but the last, which is the answer; an empty blob has none. */
  async #sendBlob(tag: number, blob: Uint8Array, signal: AbortSignal): Promise<Answer> {
    let last: Answer = { kind: "blob", tag, size: blob.length }
    for (const bytes of piecesOf(blob)) {
      await this.#say(last)
      signal.throwIfAborted()
      last = { kind: "chunk", tag, bytes }
    }
    return last
  }

  #beginUpload({ tag, size }: { tag: number; size: number }): void {
    if (this.#upload?.open) throw badFrame("two blobs come at once")
    this.#upload = new Upload(tag, size, this.#uploads, this.#clock)
  }

  #addToUpload({ tag, bytes }: { tag: number; bytes: Uint8Array }): void {
    if (this.#upload?.tag !== tag) throw badFrame("a piece belongs to no blob")
    this.#upload.add(bytes)
  }

  /** Rejects with `RangeError` when the mailbox gave what no frame can carry. */
  async #say(answer: Answer): Promise<void> {
    await this.#stream.write(answers.encode(answer))
  }

  #track(work: Promise<void>): Promise<void> {
    this.#work.add(work)
    return work.finally(() => this.#work.delete(work))
  }
}
