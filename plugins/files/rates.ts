/**
 * How fast files may travel, all of them together: usually, and at certain hours.
 *
 * @module
 */
import { AlliumError, type Clock, offer, type StoreRoom, type Table, Turns, z } from "allium/plugin"
import { sizeShape } from "./size.ts"
import { type RateSpan, Throttle } from "./swarm/index.ts"

/** Hours with limits of their own. */
const SPANS_MAX = 16
/** Minutes of a day. */
const DAY_MINUTES = 24 * 60

/** Bytes a second; `null` for no limit, absent for what is usual. */
const rateShape = z.int().nullable().optional()
const spanShape = z.object({
  /** Minutes from midnight, local time; over midnight when `to` is not later. */
  from: z.int(),
  to: z.int(),
  down: rateShape,
  up: rateShape,
})
const ratesShape = z.object({ down: rateShape, up: rateShape, spans: z.array(spanShape) })
type KeptRates = z.output<typeof ratesShape>
type Span = z.output<typeof spanShape>

const wish = z.union([z.literal("none").transform(() => null), sizeShape]).optional()

export const limitOffer = offer({
  verb: "file limit",
  summary: "Show or set how fast files may travel, all of them together",
  examples: [
    "file limit",
    "file limit --up 50k --down 1MiB",
    "file limit --between 08:00-18:00 --up 10k",
    "file limit --up none",
  ],
  input: z.object({
    down: wish.meta({
      description: "Bytes a second that come in, such as 500k; none for no limit",
    }),
    up: wish.meta({ description: "Bytes a second that go out" }),
    between: z
      .string()
      .regex(/^([01]?\d|2[0-3]):[0-5]\d-([01]?\d|2[0-3]):[0-5]\d$/, "expected 08:00-18:00")
      .optional()
      .meta({ description: "Only between these hours, such as 22:00-06:00" }),
    forget: z
      .boolean()
      .default(false)
      .meta({ description: "Forget what was said for these hours" }),
  }),
  output: z.object({
    /** Bytes a second, usually; absent without a limit. */
    down: z.int().optional(),
    up: z.int().optional(),
    /** The same for hours with limits of their own, one line each. */
    hours: z.array(z.string()),
    /** What holds now. */
    downNow: z.int().optional(),
    upNow: z.int().optional(),
  }),
})
type Input = z.output<typeof limitOffer.input>

/** Both limits; they stand in every swarm of the plugin. */
export class FileRates {
  readonly down: Throttle
  readonly up: Throttle
  readonly #store: StoreRoom
  readonly #table: Table<KeptRates>
  readonly #turns = new Turns()
  #kept: KeptRates = { spans: [] }

  private constructor(store: StoreRoom, clock: Clock) {
    this.#store = store
    this.#table = store.table("rates", ratesShape)
    this.down = new Throttle(clock)
    this.up = new Throttle(clock)
  }

  /** As they were set last; none at first. */
  static async open(store: StoreRoom, clock: Clock): Promise<FileRates> {
    const rates = new FileRates(store, clock)
    rates.#apply((await rates.#table.get("rates")) ?? { spans: [] })
    return rates
  }

  /** @throws {AlliumError} `BAD_INPUT` for `forget` without hours; `NOT_FOUND`; `LIMIT_REACHED`. */
  change(input: Input): Promise<z.input<typeof limitOffer.output>> {
    return this.#turns.take(async () => {
      const changed = changedBy(this.#kept, input)
      if (changed !== this.#kept) await this.#store.commit([this.#table.put("rates", changed)])
      this.#apply(changed)
      return this.#document()
    })
  }

  #apply(kept: KeptRates): void {
    this.#kept = kept
    for (const way of ["down", "up"] as const) {
      const usual = kept[way]
      const spans = kept.spans.filter((span) => span[way] !== undefined)
      this[way].set({
        ...(typeof usual === "number" && { bytesPerSecond: usual }),
        spans: spans.map((span) => toRateSpan(span, way)),
      })
    }
  }

  #document(): z.input<typeof limitOffer.output> {
    const { down, up, spans } = this.#kept
    const now = (throttle: Throttle) =>
      Number.isFinite(throttle.bytesPerSecond) ? Math.round(throttle.bytesPerSecond) : undefined
    return {
      ...{ down: down ?? undefined, up: up ?? undefined, hours: spans.map(writeSpan) },
      ...{ downNow: now(this.down), upNow: now(this.up) },
    }
  }
}

function toRateSpan(span: Span, way: "down" | "up"): RateSpan {
  const { from, to } = span
  const rate = span[way]
  return { from, to, ...(typeof rate === "number" && { bytesPerSecond: rate }) }
}

function changedBy(kept: KeptRates, { down, up, between, forget }: Input): KeptRates {
  if (between === undefined && forget)
    throw new AlliumError("BAD_INPUT", "Cannot forget limits: expected --between")
  const given = { ...(down !== undefined && { down }), ...(up !== undefined && { up }) }
  if (between === undefined) return Object.keys(given).length === 0 ? kept : { ...kept, ...given }
  const span = { ...readSpan(between), ...given }
  const others = kept.spans.filter(({ from, to }) => from !== span.from || to !== span.to)
  if (forget) {
    if (others.length === kept.spans.length)
      throw new AlliumError("NOT_FOUND", "Cannot forget limits: there are none for these hours")
    return { ...kept, spans: others }
  }
  if (Object.keys(given).length === 0)
    throw new AlliumError("BAD_INPUT", "Cannot set limits: expected --up or --down")
  if (others.length >= SPANS_MAX)
    throw new AlliumError("LIMIT_REACHED", `Cannot set limits: ${SPANS_MAX} hours have their own`)
  // The latest comes first, and the first that fits counts.
  return { ...kept, spans: [span, ...others] }
}

function readSpan(text: string): { from: number; to: number } {
  const [from = 0, to = 0] = text.split("-").map((time) => {
    const [hours = 0, minutes = 0] = time.split(":").map(Number)
    return (hours * 60 + minutes) % DAY_MINUTES
  })
  return { from, to }
}

function writeSpan({ from, to, down, up }: Span): string {
  const time = (minutes: number) =>
    `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`
  const rate = (name: string, value: number | null | undefined) => {
    if (value === undefined) return ""
    return value === null ? `, ${name} no limit` : `, ${name} ${value} bytes a second`
  }
  return `${time(from)}-${time(to)}${rate("in", down)}${rate("out", up)}`
}
