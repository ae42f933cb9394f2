/**
 * What a tunnel's numbers say: for `tunnel show`, for events, and as Prometheus text.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 * @module
 */
import { FIRST_BYTE, FIRST_BYTE_STEPS } from "../base/meter.ts"

/** How long the first byte of an answer took. */
export interface FirstByteTimes {
  readonly count: number
  readonly sumMs: number
  /** Half took no longer; the end of a bucket, absent when most took longer than the last one. */
  readonly medianMs?: number
  /** 95 of 100 took no longer; in the same way. */
  readonly slowMs?: number
  /** How many took at most so many milliseconds, each counted once, in the first that fits; the rest took longer. */
  readonly upToMs: Readonly<Record<string, number>>
}

/** A tunnel's numbers. */
export interface TunnelNumbers {
  readonly counters: Readonly<Record<string, number>>
  readonly firstByte: FirstByteTimes
}

/** Parts what a `Meter` reads into counts and the histogram. A kind may count without a meter. */
export function readMeter(all: Readonly<Record<string, number>>): TunnelNumbers {
  const counters = Object.entries(all).filter(([name]) => !name.startsWith(FIRST_BYTE))
  const upToMs = FIRST_BYTE_STEPS.map(
    (endMs) => [endMs, all[`${FIRST_BYTE}${endMs}`] ?? 0] as const,
  )
  const count = all[`${FIRST_BYTE}count`] ?? 0
  const medianMs = quantile(upToMs, count * 0.5)
  const slowMs = quantile(upToMs, count * 0.95)
  return {
    counters: Object.fromEntries(counters),
    firstByte: {
      count,
      sumMs: all[`${FIRST_BYTE}sum`] ?? 0,
      ...(medianMs !== undefined && { medianMs }),
      ...(slowMs !== undefined && { slowMs }),
      upToMs: Object.fromEntries(upToMs.filter(([, taken]) => taken > 0)),
    },
  }
}

function quantile(buckets: readonly (readonly [number, number])[], want: number) {
  if (want === 0) return undefined
  let seen = 0
  for (const [endMs, count] of buckets) {
    seen += count
    if (seen >= want) return endMs
  }
  return undefined
}

/** A tunnel as metrics see it. */
export interface MeteredTunnel extends TunnelNumbers {
  /** Of a-z, 0-9 and dashes. */
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly sessions: number
}

/** Prometheus text, version 0.0.4. Labels are names of tunnels and kinds, error codes and fixed words: no host and no address. */
export function writePrometheus(tunnels: readonly MeteredTunnel[]): string {
  const each = (line: (tunnel: MeteredTunnel, label: string) => readonly string[]) =>
    tunnels.flatMap((tunnel) => line(tunnel, `tunnel="${tunnel.name}"`))
  const of = (name: string, label: string, value: number) =>
    `allium_tunnel_${name}{${label}} ${value}`
  const count = (metric: string, name: string) =>
    each(({ counters }, label) =>
      name in counters ? [of(metric, label, counters[name] ?? 0)] : [],
    )
  return [
    ...head("up", "gauge", "1 while the tunnel is open."),
    ...each(({ kind, state }, label) => [
      of("up", `${label},kind="${kind}"`, state === "open" ? 1 : 0),
    ]),
    ...head("sessions", "gauge", "I2P sessions that stand."),
    ...each(({ sessions }, label) => [of("sessions", label, sessions)]),
    ...head("connections", "gauge", "Connections open now."),
    ...count("connections", "connectionsNow"),
    ...head("connections_total", "counter", "Connections since the tunnel was opened."),
    ...count("connections_total", "connections"),
    ...head("received_bytes_total", "counter", "Bytes that came from I2P."),
    ...count("received_bytes_total", "bytesIn"),
    ...head("sent_bytes_total", "counter", "Bytes that went to I2P."),
    ...count("sent_bytes_total", "bytesOut"),
    ...head("events_total", "counter", "What else the kind counts."),
    ...each((tunnel, label) => otherLines(tunnel, label)),
    ...head("errors_total", "counter", "Failures by error code."),
    ...each((tunnel, label) => errorLines(tunnel, label)),
    ...head(
      "first_byte_seconds",
      "histogram",
      "From the question to the first byte of the answer.",
    ),
    ...each((tunnel, label) => histogramLines(tunnel, label)),
    "",
  ].join("\n")
}

const IN_COMMON = new Set(["connections", "connectionsNow", "sessions", "bytesIn", "bytesOut"])
const FAILED = "failed."

function head(name: string, type: string, help: string): readonly string[] {
  return [`# HELP allium_tunnel_${name} ${help}`, `# TYPE allium_tunnel_${name} ${type}`]
}

function otherLines({ counters }: MeteredTunnel, label: string): readonly string[] {
  return Object.entries(counters)
    .filter(([name]) => !IN_COMMON.has(name) && /^[a-zA-Z]{1,40}$/.test(name))
    .map(([name, value]) => `allium_tunnel_events_total{${label},event="${name}"} ${value}`)
}

function errorLines({ counters }: MeteredTunnel, label: string): readonly string[] {
  return Object.entries(counters)
    .filter(([name]) => /^failed\.[A-Z0-9_]{1,40}$/.test(name))
    .map(([name, value]) => {
      const code = name.slice(FAILED.length)
      return `allium_tunnel_errors_total{${label},code="${code}"} ${value}`
    })
}

function histogramLines({ firstByte }: MeteredTunnel, label: string): readonly string[] {
  const { count, sumMs, upToMs } = firstByte
  const name = "allium_tunnel_first_byte_seconds"
  let seen = 0
  const buckets = FIRST_BYTE_STEPS.map((endMs) => {
    seen += upToMs[endMs] ?? 0
    return `${name}_bucket{${label},le="${endMs / 1_000}"} ${seen}`
  })
  return [
    ...buckets,
    `${name}_bucket{${label},le="+Inf"} ${count}`,
    `${name}_sum{${label}} ${sumMs / 1_000}`,
    `${name}_count{${label}} ${count}`,
  ]
}
