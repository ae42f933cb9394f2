/** A private key file with an offline signature, made by node:crypto alone: 813 bytes, as i2pd accepted. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { deriveDestinationKeys } from "../../../src/sam/index.ts"

const { destination } = deriveDestinationKeys(new Uint8Array(32).fill(7))

/** @param damage - Changes the offline block: expiry 0, type 4, key 6, signature 38, private key 102. */
export function offlineFile(damage: (block: Buffer) => void = () => {}): Buffer {
  const [owner, transient] = [rawPair(), rawPair()]
  const { bytes } = destination
  const head = Buffer.concat([bytes.subarray(0, 352), owner.key, bytes.subarray(384)])
  const signed = Buffer.concat([Buffer.from([0x70, 0, 0, 0, 0, 7]), transient.key])
  const block = Buffer.concat([signed, sign(null, signed, owner.privateKey), transient.seed])
  damage(block)
  return Buffer.concat([head, Buffer.alloc(256 + 32), block])
}

function rawPair(): { privateKey: KeyObject; seed: Buffer; key: Buffer } {
  const { privateKey } = generateKeyPairSync("ed25519")
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(16)
  const key = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(12)
  return { privateKey, seed, key }
}
