/**
 * Where an identity that comes back on a new machine is met by its contacts.
 *
 * An I2P router goes on for up to ten minutes with the way it knows to a destination, though nobody is there any more; the new
 * machine cannot tell it, for it does not know whom to tell. So the words have one more destination, which is alive only during
 * the first minutes of a restore. Nobody can have kept an old way to it.
 *
 * @see docs/protocol/backup.md "Coming back"
 * @module
 */
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import type { Clock } from "../base/clock.ts"
import type { Scope } from "../base/scope.ts"
import type { Identity } from "../identity/identity.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import type { BackupOwner } from "./backup-format.ts"
import type { Links } from "./links.ts"
import type { Sessions } from "./sessions.ts"

/** Of a destination: what its address is written with. */
export const HASH_BYTES = 32
/** How long a contact looks there for somebody who was lost; until then no router knows an old way any more. */
export const MEETING_MS = 15 * 60_000
const USE = "allium homecoming v1"
const SUFFIX = ".b32.i2p"

/** The destination, and its private key file, which the caller must not log or keep. */
export function homecomingKeys(owner: BackupOwner): ReturnType<typeof deriveDestinationKeys> {
  return deriveDestinationKeys(owner.backupKey(USE))
}

/** {@linkcode HASH_BYTES} of a `.b32.i2p` address that we made. */
export function hashOfAddress(address: string): Uint8Array {
  const hash = decodeBase32(address.slice(0, -SUFFIX.length))
  if (hash?.length !== HASH_BYTES) throw new RangeError("Cannot read address: it is no hash")
  return hash
}

/** The `.b32.i2p` address of any {@linkcode HASH_BYTES}. */
export function addressOfHash(hash: Uint8Array): string {
  return `${encodeBase32(hash)}${SUFFIX}`
}

/** Lets contacts in there until then, as strangers; ends with `scope`, which it closes. */
export function welcomeAtHomecoming(
  identity: Identity,
  { links, sessions, clock }: WelcomeTools,
  { untilMs, scope }: { untilMs: number; scope: Scope },
): void {
  const { privateKeyFile } = homecomingKeys(identity)
  const owner = { kind: "mail", name: `homecoming of ${identity.name}` } as const
  const session = sessions.open(owner, privateKeyFile, scope)
  scope.use(links.welcome(identity, session))
  clock.sleep(Math.max(0, untilMs - clock.now()), scope).then(
    () => scope.close(),
    () => {}, // it was closed before
  )
}

interface WelcomeTools {
  readonly links: Pick<Links, "welcome">
  readonly sessions: Pick<Sessions, "open">
  readonly clock: Clock
}
