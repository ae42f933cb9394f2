/**
 * What sealing and opening envelopes costs, in processor time of one core.
 *
 * @module
 */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { systemRandom } from "../src/base/random.ts"
import { openAgreementKey } from "../src/base/x25519.ts"
import { unlockIdentity } from "../src/identity/unlocked.ts"
import type { CryptoSession } from "../src/mail/envelope/crypto.ts"
import { createEnvelopeCrypto } from "../src/mail/envelope/envelope-crypto.ts"
import { type Bench, type Figure, figure } from "./figure.ts"

/** How much is measured. */
export interface EnvelopesSize {
  readonly rounds: number
  readonly oneWay: number
  readonly turns: number
}

export const bench: Bench = {
  title: "envelopes sealed and opened by one core",
  run: async () => measureEnvelopes({ rounds: 7, oneWay: 1_000, turns: 60 }),
}

const crypto = createEnvelopeCrypto({ random: systemRandom })
const [ann, bob] = ["ann", "bob"].map((name) =>
  unlockIdentity(systemRandom(64), { name, index: 0 }),
) as [ReturnType<typeof unlockIdentity>, ReturnType<typeof unlockIdentity>]
const payload = systemRandom(1_000)
const now = { nowMs: Date.UTC(2026, 0, 1) }

/** Measures; a warm-up comes before. */
export function measureEnvelopes(size: EnvelopesSize): Figure[] {
  measureRound({ ...size, turns: size.turns >> 1 })
  const rounds = Array.from({ length: size.rounds }, () => measureRound(size))
  const of = (name: keyof Round) => rounds.map((round) => round[name])
  const turnCosts = rounds.map(({ turns, primitives }) => primitives / turns)
  return [
    figure("one way: sealed", of("sealed"), "/cpu s", { least: 10_000 }),
    figure("one way: opened", of("opened"), "/cpu s", { least: 10_000 }),
    figure("alternating: hybrid turns, sealed and opened", of("turns"), "/cpu s", { least: 230 }),
    figure("a turn against its ML-KEM and X25519 alone", turnCosts, "times"),
    figure("first envelopes accepted", of("accepted"), "/cpu s"),
    figure("forgeries refused", of("refused"), "/cpu s"),
    figure("sessions written to bytes and read again", of("stored"), "/cpu s"),
    figure("a session on disk", [crypto.exportSession(talking().ann).length], "bytes"),
  ]
}

/** Deeds of one kind for each second of processor time. */
type Round = Readonly<
  Record<"sealed" | "opened" | "turns" | "primitives" | "accepted" | "refused" | "stored", number>
>

function measureRound({ oneWay, turns }: EnvelopesSize): Round {
  return { ...measureOneWay(oneWay), ...measureTurns(turns), ...measureRest(turns) }
}

function measureOneWay(count: number) {
  let { ann: hers, bob: his } = talking()
  const envelopes: Uint8Array[] = []
  const sealed = rate(count, () => {
    const next = crypto.seal(hers, payload)
    envelopes.push(next.envelope)
    hers = next.session
  })
  his = crypto.open(his, envelopes[0]!, now)!.session // the turn is measured elsewhere
  const opened = rate(count - 1, (index) => {
    his = crypto.open(his, envelopes[index + 1]!, now)!.session
  })
  const refused = rate(count, () => void crypto.open(his, envelopes[0]!, now))
  return { sealed, opened, refused }
}

/** Each is a message with fresh keys, sealed by one side and opened by the other. */
function measureTurns(count: number) {
  let { ann: from, bob: to } = talking()
  const turns = rate(count, () => {
    const { session, envelope } = crypto.seal(from, payload)
    from = crypto.open(to, envelope, now)!.session
    to = session
  })
  return { turns, primitives: rate(count, primitivesOfTurn) }
}

/** What nobody can save: a key pair of each kind, an agreement on each side. */
function primitivesOfTurn(): void {
  const { publicKey, agree } = openAgreementKey(systemRandom(32))
  const kem = ml_kem768.keygen(systemRandom(64))
  const { cipherText } = ml_kem768.encapsulate(kem.publicKey, systemRandom(32))
  ml_kem768.decapsulate(cipherText, kem.secretKey)
  for (let side = 0; side < 2; side++) agree(publicKey)
}

function measureRest(count: number) {
  const prekeys = crypto.makePrekeys(bob)
  const { envelope } = crypto.seal(crypto.begin(ann, prekeys.bundle), payload.subarray(0, 400))
  const accepted = rate(count, () => void crypto.accept(bob, prekeys, envelope, now))
  const session = talking().ann
  const stored = rate(count, () => void crypto.importSession(crypto.exportSession(session)))
  return { accepted, stored }
}

/** A session that was answered. */
function talking(): { ann: CryptoSession; bob: CryptoSession } {
  const prekeys = crypto.makePrekeys(bob)
  const first = crypto.seal(crypto.begin(ann, prekeys.bundle), payload.subarray(0, 400))
  const accepted = crypto.accept(bob, prekeys, first.envelope, now)!
  const answer = crypto.seal(accepted.session, payload)
  return { ann: crypto.open(first.session, answer.envelope, now)!.session, bob: answer.session }
}

/** How often a second of processor time would do it. */
function rate(count: number, work: (index: number) => void): number {
  const start = process.cpuUsage()
  for (let index = 0; index < count; index++) work(index)
  const { user, system } = process.cpuUsage(start)
  return count / ((user + system) / 1_000_000)
}
