/**
 * Hashing on worker threads, one pool for the whole plugin: the event loop only hands out batches.
 *
 * @module
 */
import { Worker } from "node:worker_threads"
import { AlliumError } from "allium/plugin"
import type { HashAnswer, HashJob, HashSpan } from "./hash-job.ts"

/** More do not help: one hashes a gigabyte in a second. */
const THREADS_MAX = 2
/** Bytes in one message to a worker: some milliseconds of work, so that nobody waits long behind others. */
const BATCH_BYTES = 4 * 1_048_576
/** Jobs in one message. */
const BATCH_JOBS_MAX = 64
/** Messages a worker has at once: one to work on, one to go on with. */
const BATCHES_AT_ONCE = 2
/** A worker's own heap; it holds one batch. */
const HEAP_BYTES_MAX = 32 * 1_048_576
/** A thread that has nothing to do for so long ends: it takes 10 to 16 MiB. */
const IDLE_MS = 5_000

interface Asked {
  readonly job: HashJob
  readonly byteCount: number
  resolve(answer: HashAnswer): void
  reject(reason: unknown): void
}

/** Hashes what is asked for; whoever asks waits for the answer, so its queue is as long as there are askers. */
export class Hashing implements AsyncDisposable {
  readonly #queue: Asked[] = []
  readonly #lanes: Lane[]
  #rows = 0
  #isClosed = false

  constructor(options: { threads?: number; idleMs?: number } = {}) {
    const { threads = THREADS_MAX, idleMs = IDLE_MS } = options
    const laneCount = Math.min(THREADS_MAX, threads)
    const lane = { common: this.#queue, laneCount, idleMs }
    this.#lanes = Array.from(
      { length: laneCount },
      (_, index) => new Lane({ ...lane, isFirst: index === 0 }),
    )
  }

  /** Threads that are there now. */
  get threads(): number {
    return this.#lanes.filter(({ hasWorker }) => hasWorker).length
  }

  /** Hashes a few spans as one. Their descriptors stay open until this resolves. */
  hash(job: Omit<HashJob, "row" | "end">): Promise<HashAnswer> {
    return this.#ask({ ...job, row: 0, end: "digest" }, this.#queue)
  }

  /** Begins a row of spans that are hashed as one, part by part, in the order of asking. */
  openRow(algorithm: HashJob["algorithm"], blockBytes = 0): HashRow {
    const lane = this.#lanes[this.#rows % this.#lanes.length]!
    const head = { row: ++this.#rows, algorithm, blockBytes }
    lane.rows++
    const ask = (spans: readonly HashSpan[], end: HashJob["end"]) =>
      this.#ask({ ...head, spans, end }, lane.queue)
    let isOpen = true
    const last = (spans: readonly HashSpan[], end: HashJob["end"]) => {
      if (isOpen) lane.rows--
      isOpen = false
      return ask(spans, end)
    }
    return {
      add: (spans) => ask(spans, "no"),
      end: (spans) => last(spans, "digest"),
      drop: async () => void (this.#isClosed || (await last([], "drop"))),
    }
  }

  /** Whatever is under way fails with `ABORTED`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const asked of this.#queue.splice(0)) asked.reject(closed())
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  #ask(job: HashJob, queue: Asked[]): Promise<HashAnswer> {
    if (this.#isClosed) return Promise.reject(closed())
    const byteCount = job.spans.reduce((sum, span) => sum + span[2], 0)
    return new Promise((resolve, reject) => {
      queue.push({ job, byteCount, resolve, reject })
      for (const lane of this.#lanes) lane.wake()
    })
  }
}

/** Parts of one row; each part's descriptors stay open until its promise resolves. Nothing more after the end. */
export interface HashRow {
  add(spans: readonly HashSpan[]): Promise<HashAnswer>
  end(spans: readonly HashSpan[]): Promise<HashAnswer>
  /** Instead of the end. */
  drop(): Promise<void>
}

interface LaneOptions {
  /** What waits for any worker. */
  readonly common: Asked[]
  /** It takes whatever waits. */
  readonly isFirst: boolean
  readonly laneCount: number
  readonly idleMs: number
}

/** One worker, and what waits for it alone. */
class Lane {
  /** Parts of rows that this worker began. */
  readonly queue: Asked[] = []
  /** Rows that have not ended: the worker has what they have come to. */
  rows = 0
  readonly #o: LaneOptions
  readonly #underWay: Asked[][] = []
  #worker: Worker | undefined
  #isAwake = false
  #idle: NodeJS.Timeout | undefined

  constructor(options: LaneOptions) {
    this.#o = options
  }

  get hasWorker(): boolean {
    return this.#worker !== undefined
  }

  /** Goes on after everything that is asked at this moment, so that it goes in one message. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    queueMicrotask(() => {
      this.#isAwake = false
      while (this.#underWay.length < BATCHES_AT_ONCE && this.#send());
    })
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    await this.#worker?.terminate()
    this.#fail(closed())
  }

  #send(): boolean {
    if (this.#worker === undefined && !this.#isNeeded) return false
    const { common, laneCount } = this.#o
    const share = Math.ceil(common.length / laneCount)
    const batch = [...take(this.queue, BATCH_JOBS_MAX), ...take(common, share)]
    if (batch.length === 0) return false
    this.#underWay.push(batch)
    this.#worker ??= this.#start()
    this.#worker.ref()
    clearTimeout(this.#idle)
    this.#worker.postMessage(batch.map(({ job }) => job))
    return true
  }

  /** Another thread is for more than one can have before it. */
  get #isNeeded(): boolean {
    if (this.#o.isFirst || this.queue.length > 0) return true
    return this.#o.common.reduce((sum, { byteCount }) => sum + byteCount, 0) >= BATCH_BYTES
  }

  #start(): Worker {
    const worker = openWorker()
    worker.on("message", (answers: HashAnswer[]) => {
      for (const [index, asked] of (this.#underWay.shift() ?? []).entries())
        asked.resolve(answers[index] ?? "EIO")
      if (this.#underWay.length === 0) this.#rest(worker)
      this.wake()
    })
    worker.on("error", (error) => this.#lose(worker, error))
    worker.on("exit", () => this.#lose(worker, undefined))
    return worker
  }

  /** Nothing is under way. */
  #rest(worker: Worker): void {
    worker.unref()
    this.#idle = setTimeout(() => {
      if (this.rows > 0 || this.#underWay.length > 0 || this.#worker !== worker) return
      this.#worker = undefined
      void worker.terminate()
    }, this.#o.idleMs).unref()
  }

  /** The next one to ask gets another worker. */
  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const message = "Cannot hash: the hashing thread ended"
    this.#fail(new AlliumError("DISK_FAILED", message, { cause }))
  }

  #fail(reason: unknown): void {
    for (const asked of [...this.#underWay.splice(0).flat(), ...this.queue.splice(0)])
      asked.reject(reason)
  }
}

/** Takes a batch from the front, of at most so many jobs. */
function take(queue: Asked[], share: number): Asked[] {
  let byteCount = 0
  let count = 0
  while (count < queue.length && count < Math.min(share, BATCH_JOBS_MAX) && byteCount < BATCH_BYTES)
    byteCount += queue[count++]!.byteCount
  return queue.splice(0, count)
}

function openWorker(): Worker {
  const worker = new Worker(new URL("./hash-worker.mjs", import.meta.url), {
    name: "allium-hash",
    resourceLimits: { maxOldGenerationSizeMb: HEAP_BYTES_MAX / 1_048_576 },
    execArgv: [],
  })
  worker.unref()
  return worker
}

function closed(): AlliumError {
  return new AlliumError("ABORTED", "Cannot hash: the pool is closing")
}
