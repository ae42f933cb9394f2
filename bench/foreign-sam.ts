/**
 * A stream of `@diva.exchange/i2p-sam`, the nearest published client: each is a session of its own, and it
 * takes whatever is written at once.
 *
 * @module
 */
import { Duplex } from "node:stream"
import { createStream } from "@diva.exchange/i2p-sam"

type Client = Awaited<ReturnType<typeof createStream>>

/** Opens a session and a stream of it. @param destination - In I2P base64. */
export async function connectForeign(port: number, destination: string): Promise<Duplex> {
  const sam = { host: "127.0.0.1", portTCP: port, versionMin: "3.1", timeout: SESSION_SECONDS }
  return new ForeignStream(await createStream({ sam, stream: { destination } }))
}
const SESSION_SECONDS = 180

/** Its streams are no Duplex; `write()` ends before the bytes have gone, for it does not say when. */
class ForeignStream extends Duplex {
  readonly #client: Client

  constructor(client: Client) {
    super({ highWaterMark: 65_536 })
    this.#client = client
    client.on("data", (bytes: Buffer) => this.push(bytes))
    client.on("error", (error: Error) => this.destroy(error))
    client.on("close", () => this.destroy())
    this.on("error", () => {})
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#client.stream(bytes)
    setImmediate(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Protected by type only.
    ;(this.#client as unknown as { close(): void }).close()
    done(error)
  }
}
