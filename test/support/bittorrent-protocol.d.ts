/** What the tests use of it. */
declare module "bittorrent-protocol" {
  import type { Duplex } from "node:stream"

  interface Handler {
    onWhole: (bytes: Buffer) => void
  }

  export default class Wire extends Duplex {
    isSeeder: boolean
    peerChoking: boolean
    readonly ut_metadata?: Handler
    readonly extendedHandshake: { metadata_size?: number }
    use(extension: new (wire: Wire) => Handler): void
    handshake(infohash: Uint8Array, peerId: Uint8Array, extensions: { fast: boolean }): void
    readonly hasFast: boolean
    haveAll(): void
    bitfield(bits: Uint8Array): void
    unchoke(): void
    interested(): void
    request(
      piece: number,
      offset: number,
      length: number,
      done: (error: Error | null, bytes?: Uint8Array) => void,
    ): void
    extended(name: string, payload: unknown): void
    destroy(): this
    on(
      event: "request",
      heard: (
        piece: number,
        offset: number,
        length: number,
        respond: (error: null, bytes: Uint8Array) => void,
      ) => void,
    ): this
    on(event: string, heard: (...args: never[]) => void): this
  }
}
