/**
 * Accepting for as long as a session lives: exactly one ACCEPT pending, armed again at once.
 *
 * @module
 */
import { openBackoff } from "../base/backoff.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Backlog } from "./backlog.ts"
import type { Destination } from "./destination.ts"
import type { SamStream } from "./session.ts"
import { acceptStream, type StreamSession } from "./stream.ts"

/** ACCEPT failing so often in a row means that the session is deaf. */
const FAILURES_MAX = 12

/**
 * Accepts streams into the backlog until `signal` aborts; pauses while it is full or nobody takes from it.
 * That the router closes a waiting ACCEPT is normal (newer i2pd does), so it is armed again after a
 * moment.
 *
 * @param call.own - Our own destination.
 * @param call.arrived - Told about each stream before it is put into the backlog.
 * @returns Never resolves; rejects with the signal's reason, or
 * @throws {AlliumError} `SESSION_LOST` when the router does not know the session, or refuses to accept
 * again and again.
 */
export async function acceptStreams(
  session: StreamSession,
  backlog: Backlog<SamStream>,
  call: { signal: AbortSignal; own: Destination; arrived: (stream: SamStream) => void },
): Promise<never> {
  const { clock, chance, log } = session.context
  const { signal } = call
  const backoff = openBackoff({ firstMs: 50, mostMs: 5_000, chance })
  let failures = 0
  for (;;) {
    await backlog.room(signal)
    try {
      const stream = await acceptStream(session, { signal })
      call.arrived(stream)
      // From ourselves come only our own probes (Java I2P connects those).
      if (stream.peer.b32 === call.own.b32 || !backlog.push(stream)) stream.destroy()
      backoff.reset()
      failures = 0
    } catch (error) {
      if (signal.aborted || isAlliumError(error, "SESSION_LOST")) throw error
      log.debug("sam.accept-again", { code: toAlliumError(error).code, failures })
      if (++failures >= FAILURES_MAX) throw deaf(error)
      await clock.sleep(backoff.next(), { signal })
    }
  }
}

function deaf(cause: unknown): AlliumError {
  const found = `ACCEPT failed ${FAILURES_MAX} times in a row, expected a stream`
  return new AlliumError("SESSION_LOST", `Cannot accept streams: ${found}`, { cause })
}
