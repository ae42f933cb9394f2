/**
 * A SAM client of nothing but a socket: the suite must not trust the code it helps to test.
 *
 * @module
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

/** One connection to a bridge, with everything that arrived and was not taken yet. */
export interface RawSam extends AsyncDisposable {
  readonly socket: Socket
  /** Sends a line, without waiting. */
  tell(line: string): void
  /** Sends a line; gives the next line that arrives. */
  ask(line: string): Promise<string>
  /** The next line, without its newline; rejects when the bridge closes first. */
  line(): Promise<string>
  /** Whether a line is there within `ms`; it is not taken. */
  hears(ms: number): Promise<boolean>
  /** The next `byteCount` bytes. */
  bytes(byteCount: number): Promise<Buffer>
  /** Resolves when the bridge has ended or closed the connection. */
  closed(): Promise<void>
}

/** Connects, and says HELLO unless told not to. */
export async function openRaw(
  port: number,
  options: { hello?: string | false; waitMs?: number } = {},
): Promise<RawSam> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true })
  socket.on("error", () => {})
  await once(socket, "connect")
  const raw = wrap(socket, options.waitMs ?? 8000)
  if (options.hello === false) return raw
  const reply = await raw.ask(options.hello ?? "HELLO VERSION MIN=3.1 MAX=3.3")
  if (!reply.startsWith("HELLO REPLY RESULT=OK")) throw new Error(`HELLO was refused: ${reply}`)
  return raw
}

function wrap(socket: Socket, waitMs: number): RawSam {
  let pieces: Buffer[] = []
  let count = 0
  let over = false
  let wake: () => void = () => {}
  socket.on("data", (bytes) => {
    pieces.push(bytes)
    count += bytes.length
    wake()
  })
  const held = () => {
    if (pieces.length !== 1) pieces = [Buffer.concat(pieces)]
    return pieces[0] as Buffer
  }
  for (const event of ["end", "close"])
    socket.once(event, () => {
      over = true
      wake()
    })
  const until = async (done: () => boolean, what: string) => {
    const late = setTimeout(() => socket.destroy(), waitMs)
    while (!done() && !over) await new Promise<void>((resolve) => (wake = resolve))
    clearTimeout(late)
    if (!done())
      throw new Error(`closed, or ${waitMs} ms passed, before ${what}; has ${count} bytes`)
  }
  const take = (byteCount: number, skip = 0) => {
    const all = held()
    pieces = [all.subarray(byteCount + skip)]
    count = pieces[0]?.length ?? 0
    return all.subarray(0, byteCount)
  }
  const line = async () => {
    await until(() => held().includes(10), "a line")
    return take(held().indexOf(10), 1).toString()
  }
  return {
    socket,
    tell: (text) => void socket.write(`${text}\n`),
    ask(text) {
      socket.write(`${text}\n`)
      return line()
    },
    line,
    async hears(ms) {
      const late = setTimeout(() => wake(), ms)
      const endMs = performance.now() + ms
      while (!held().includes(10) && !over && performance.now() < endMs)
        await new Promise<void>((resolve) => (wake = resolve))
      clearTimeout(late)
      return held().includes(10)
    },
    async bytes(byteCount) {
      await until(() => count >= byteCount, `${byteCount} bytes`)
      return take(byteCount)
    },
    closed: () => until(() => over, "the end"),
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return
      const closed = once(socket, "close")
      socket.destroy()
      await closed
    },
  }
}

/** The value of one key of a reply; values here have no spaces. */
export function field(line: string, key: string): string | undefined {
  return new RegExp(`(?:^| )${key}=(\\S*)`).exec(line)?.[1]
}
