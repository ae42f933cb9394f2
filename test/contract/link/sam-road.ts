/**
 * A road over SAM: two sessions of our own client, at one bridge or at two.
 *
 * @module
 */
import { openSupervisedSession, type SamStream, type Session } from "../../../src/sam/index.ts"
import type { Road } from "./link-contract.ts"

/** How to open it. */
export interface SamRoadOptions {
  readonly ports: readonly [ann: number, bob: number]
  readonly readyMs: number
  /** Breaks Ann's streams within the network; without it they are closed at Ann's end. */
  readonly cut?: (road: { ann: Session; streams: ReadonlySet<SamStream> }) => void
  /** Ends what was opened for this road. */
  readonly close?: () => PromiseLike<void>
}

/** Opens both sessions side by side. */
export async function openSamRoad(options: SamRoadOptions): Promise<Road> {
  const signal = AbortSignal.timeout(options.readyMs)
  const [ann, bob] = options.ports.map((port) =>
    openSupervisedSession({ bridge: { host: "127.0.0.1", port }, keys: "transient" }),
  ) as [Session, Session]
  await Promise.all([ann.ready({ signal }), bob.ready({ signal })])
  const streams = new Set<SamStream>()
  const closeStreams = () => {
    for (const stream of streams) stream.destroy()
  }
  return {
    ann: ann.destination,
    bob: bob.destination,
    incoming: bob.incoming,
    async dial(call) {
      const stream = await ann.connect(bob.destination.base64, call)
      streams.add(stream)
      stream.once("close", () => streams.delete(stream))
      return stream
    },
    cut: () => (options.cut ?? closeStreams)({ ann, streams }),
    async [Symbol.asyncDispose]() {
      await Promise.all([ann[Symbol.asyncDispose](), bob[Symbol.asyncDispose]()])
      await options.close?.()
    },
  }
}
