/**
 * One identity with its keys at hand.
 *
 * @module
 */
import { hkdfSync } from "node:crypto"
import { AlliumError } from "../base/errors.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import { publicKeyOf } from "../sam/ed25519.ts"
import { keyHash } from "./card.ts"
import type { DeviceSecrets, Identity, JoinedIdentity } from "./identity.ts"
import { type KeyVersion, openKeys, openKeyVersion } from "./key-version.ts"
import { keyFromText } from "./keys.ts"
import { secretFor } from "./paths.ts"
import { makeRotations, ROTATIONS_MAX, readRotations } from "./rotation.ts"

/** Of every key derived here. */
const KEY_BYTES = 32

/** An identity together with what its book needs. */
export interface UnlockedIdentity extends Identity {
  /** What signs cards about one version of its key; on a linked device, about the present one. */
  readonly cardKeys: (
    version: number,
  ) => Pick<KeyVersion, "key" | "privateKey"> & { readonly nextKeyHash: string }
  /** From now on that version of the key is the present one. @throws {AlliumError} `LINKED_DEVICE`. */
  readonly advance: (version: number) => void
}

/**
 * @param seed - Of the phrase, 64 bytes.
 * @param who.version - Of the key; 0 when absent.
 */
export function unlockIdentity(
  seed: Uint8Array,
  { name, index, version = 0 }: { name: string; index: number; version?: number | undefined },
): UnlockedIdentity {
  const { destination, privateKeyFile } = deriveDestinationKeys(
    secretFor(seed, { identity: index, purpose: "destination" }),
  )
  const backup = secretFor(seed, { identity: index, purpose: "backup" })
  const versions = new Map<number, KeyVersion>()
  const keysAt = (number: number): KeyVersion => {
    const keys = versions.get(number) ?? openKeyVersion(seed, index, number)
    versions.set(number, keys)
    return keys
  }
  const { version: _, ...first } = keysAt(0)
  let present = version
  const identity: Identity = {
    ...first,
    ...{ name, index, device: 0, address: destination.b32 },
    get present() {
      return keysAt(present)
    },
    keysAt,
    keysOf: (key) =>
      versionsUpTo(ROTATIONS_MAX)
        .map(keysAt)
        .find((keys) => keys.key === key),
    rotations: () => makeRotations(keysAt, present),
    destination,
    destinationKeys: () => new Uint8Array(privateKeyFile),
    backupKey: (label) => new Uint8Array(hkdfSync("sha256", backup, "", label, KEY_BYTES)),
  }
  const cardKeys: UnlockedIdentity["cardKeys"] = (of) => {
    const { key, privateKey } = keysAt(of)
    return { key, privateKey, nextKeyHash: keyHash(keysAt(of + 1).publicKey) }
  }
  const advance = (to: number) => {
    present = to
  }
  return withSecrets(identity, { cardKeys, advance })
}

/**
 * An identity of another home's words: of its keys only those that were present when it was linked.
 *
 * @throws {AlliumError} `BAD_RECORD` for rotations that are not sound or lead elsewhere.
 */
export function unlockJoined({ secrets, rotations, ...joined }: JoinedIdentity): UnlockedIdentity {
  const { destination, privateKeyFile } = deriveDestinationKeys(secrets.destination)
  const steps = rotations === undefined ? [] : readRotations(rotations)
  const present = openKeys(secrets, steps.length)
  if (steps.length > 0 && steps.at(-1)?.newKey !== present.key)
    throw new AlliumError("BAD_RECORD", "Cannot join: its rotations lead to another key")
  const keys = [...steps.map(({ oldKey }) => oldKey), present.key]
  const { version: _, ...mine } = present
  const identity: Identity = {
    ...{ ...mine, ...firstOf(present, secrets, keys[0]!), ...joined, index: -1, present },
    keysAt: (version) => {
      if (version === present.version) return present
      throw linkedDevice("use another version of the key")
    },
    keysOf: (key) => {
      const version = keys.indexOf(key)
      return version < 0 ? undefined : { version, key, publicKey: keyFromText(key) }
    },
    rotations: () => new Uint8Array(rotations ?? []),
    destination,
    destinationKeys: () => new Uint8Array(privateKeyFile),
    backupKey: () => {
      throw linkedDevice("make backup key")
    },
  }
  const { key, privateKey } = present
  const { nextKeyHash } = secrets
  const advance = () => {
    throw linkedDevice("rotate key")
  }
  return withSecrets(identity, { cardKeys: () => ({ key, privateKey, nextKeyHash }), advance })
}

/** What groups know it by. @throws {AlliumError} `BAD_RECORD`. */
function firstOf(present: KeyVersion, { first, agreement }: DeviceSecrets, key: string) {
  const keys = first === undefined ? present : openKeys({ identity: first, agreement }, 0)
  if (keys.key === key) return { key, publicKey: keys.publicKey, sign: keys.sign }
  throw new AlliumError("BAD_RECORD", "Cannot join: its rotations begin with another key")
}

/** @param device - Counts destinations of the identity. @param version - Of its keys. */
export function secretsOf(
  seed: Uint8Array,
  index: number,
  { device, version }: { readonly device: number; readonly version: number },
): DeviceSecrets {
  const next = secretFor(seed, { identity: index, purpose: "identity", number: version + 1 })
  return {
    identity: secretFor(seed, { identity: index, purpose: "identity", number: version }),
    ...(version > 0 && { first: secretFor(seed, { identity: index, purpose: "identity" }) }),
    agreement: secretFor(seed, { identity: index, purpose: "agreement", number: version }),
    destination: secretFor(seed, { identity: index, purpose: "destination", number: device }),
    nextKeyHash: keyHash(publicKeyOf(next)),
  }
}

/** @param deed - What only the first device can do. */
export function linkedDevice(deed: string): AlliumError {
  const found = "this is a linked device, expected the one that has the words"
  return new AlliumError("LINKED_DEVICE", `Cannot ${deed}: ${found}`)
}

/** Not enumerable: an identity that is printed or packed shows no key of any kind. */
function withSecrets(
  identity: Identity,
  { cardKeys, advance }: Pick<UnlockedIdentity, "cardKeys" | "advance">,
): UnlockedIdentity {
  return Object.defineProperties(identity, {
    cardKeys: { value: cardKeys },
    advance: { value: advance },
  }) as UnlockedIdentity
}

function versionsUpTo(most: number): number[] {
  return Array.from({ length: most + 1 }, (_, version) => version)
}
