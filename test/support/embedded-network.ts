/**
 * The embedded bridge, as the same kind of network that {@linkcode openFakeNetwork} is: real SAM sockets.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { openEmbeddedBridge } from "../../src/bridge/index.ts"
import type { Fault } from "../../src/bridge/knobs.ts"
import {
  deriveDestinationKeys,
  openSupervisedDatagrams,
  openSupervisedSession,
} from "../../src/sam/index.ts"
import type { FakeNetwork } from "./fake-session.ts"

/** How i2pd loses what a reader has not taken yet. */
const LOSING: readonly Fault[] = ["tailLoss", "noBackpressure"]

/** Plays i2pd 2.45.1; sessions stand at once. */
export async function openEmbeddedNetwork(): Promise<FakeNetwork & AsyncDisposable> {
  const bridge = await openEmbeddedBridge({ router: "i2pd-2.45.1", knobs: { sessionCreateMs: 0 } })
  const { host, port } = bridge.address
  const keysOf = new Map<string, Uint8Array>()
  return {
    faults: {
      get tailLoss() {
        return bridge.knobs.faults.has("tailLoss")
      },
      set tailLoss(on) {
        for (const fault of LOSING)
          if (on) bridge.knobs.faults.add(fault)
          else bridge.knobs.faults.delete(fault)
      },
    },
    open(destination) {
      const made = deriveDestinationKeys(randomBytes(32))
      const keys = keysOf.get(destination?.b32 ?? "") ?? made.privateKeyFile
      const session = openSupervisedSession({ bridge: { host, port }, keys, coolDownMs: 0 })
      keysOf.set(session.destination.b32, keys)
      return session
    },
    openDatagrams(style) {
      const keys = deriveDestinationKeys(randomBytes(32)).privateKeyFile
      return openSupervisedDatagrams({
        bridge: async () => bridge.address,
        keys,
        style,
        coolDownMs: 0,
      })
    },
    [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
  }
}
