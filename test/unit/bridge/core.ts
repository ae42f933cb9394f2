/** The bridge without its sockets, for tests that need thousands of connections. */
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import { openLog } from "../../../src/base/log.ts"
import { seededChance, systemRandom } from "../../../src/base/random.ts"
import { Accounts } from "../../../src/bridge/accounts.ts"
import { Connection } from "../../../src/bridge/connection.ts"
import type { BridgeContext, SessionRecord } from "../../../src/bridge/context.ts"
import { defaultKnobs, type Fault } from "../../../src/bridge/knobs.ts"
import { Network } from "../../../src/bridge/network.ts"
import { ROUTERS, type RouterName } from "../../../src/bridge/routers.ts"
import { Sessions } from "../../../src/bridge/session.ts"
import { Ring } from "../../../src/bridge/stats.ts"
import { FakeClock } from "../../support/fake-clock.ts"

/** What every command works with; `failures` are the log's errors, which must never come. */
export function openCore(router: RouterName, faults: readonly Fault[] = []) {
  const failures: string[] = []
  const [clock, chance, traits] = [new FakeClock(), seededChance(7), ROUTERS[router]]
  const knobs = defaultKnobs({ faults: new Set(faults) })
  const context: BridgeContext = {
    network: new Network({ clock, chance, knobs, traits }),
    sessions: new Sessions(64),
    accounts: new Accounts(),
    knobs,
    traits,
    clock,
    random: systemRandom,
    log: openLog({ level: "error", write: (line) => failures.push(line), now: () => 0 }),
    record: new Ring<SessionRecord>(64),
    sendUdp: () => {},
    udpPort: () => 0,
  }
  return { context, failures }
}

/** A connection whose client is the test: `push()` is what arrives, `written` what was answered. */
export function openLoose(context: BridgeContext) {
  const written: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(bytes, _encoding, done) {
      written.push(bytes)
      done()
    },
  })
  const connection = new Connection(socket as Socket, 1, context)
  return { socket, connection, written }
}

/** Feeds bytes to a connection as a socket would, then hangs up; gives what was answered. */
export async function feed(context: BridgeContext, pieces: readonly Uint8Array[]): Promise<Buffer> {
  const { socket, written } = openLoose(context)
  for (const piece of pieces) {
    socket.push(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  return Buffer.concat(written)
}
