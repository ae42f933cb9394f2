/**
 * A road in memory: every stream is a pipe that can be cut.
 *
 * @module
 */
import { Queue } from "../../../src/base/queue.ts"
import type { LinkStream } from "../../../src/link/exchange.ts"
import { makeDestination, makePipe, type PipeEnd } from "../../unit/link/support.ts"
import type { Road } from "./link-contract.ts"

/** Opens it. */
export async function openMemoryRoad(): Promise<Road> {
  const incoming = new Queue<LinkStream>(16)
  const pipes = new Set<PipeEnd>()
  return {
    ann: makeDestination(1),
    bob: makeDestination(2),
    incoming,
    async dial() {
      const [near, far] = makePipe()
      pipes.add(near)
      near.once("close", () => pipes.delete(near))
      incoming.push(far)
      return near
    },
    cut() {
      for (const pipe of pipes) pipe.cut()
    },
    async [Symbol.asyncDispose]() {
      incoming.end()
    },
  }
}
