/**
 * Our ratchet in the clothes of Olm: its labels, AES, no KEM, headers in clear. What turns is `src/mail/envelope/ratchet.ts`
 * itself, so whoever can talk to Olm with it has the state machine right.
 *
 * @see https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/olm.md
 * @module
 */
import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto"
import { systemRandom } from "../../src/base/random.ts"
import { openAgreementKey } from "../../src/base/x25519.ts"
import { hkdf } from "../../src/mail/envelope/kdf.ts"
import { takeReceivingKey, takeSendingKey } from "../../src/mail/envelope/ratchet.ts"
import type {
  Header,
  RatchetKeys,
  RatchetState,
  RatchetSuite,
} from "../../src/mail/envelope/ratchet-state.ts"

const VERSION = 3
const TAG_BYTES = 8
const NO_SALT = new Uint8Array(32)
const NOTHING = new Uint8Array()
const FIELD = { ratchetKey: 0x0a, number: 0x10, ciphertext: 0x22 } as const
const PREKEY_FIELD = { oneTimeKey: 0x0a, baseKey: 0x12, identityKey: 0x1a, message: 0x22 } as const

const SUITE: RatchetSuite = {
  beginTurn(theirKey, random) {
    const keys = openKeys(random(32))
    return { keys, ciphertext: NOTHING, shared: keys.meet(theirKey, NOTHING) }
  },
  mixRoot(rootKey, shared) {
    const [root, chainKey] = halves(
      hkdf(shared, { salt: rootKey, info: "OLM_RATCHET", byteCount: 64 }),
    )
    return { rootKey: root, chainKey, headerKey: markOf(root) }
  },
}

function openKeys(secret: Uint8Array): RatchetKeys {
  const { publicKey, agree } = openAgreementKey(secret)
  return { secret, publicKey, meet: (theirKey) => agree(theirKey) }
}

/** A mark for the chain after the next; nothing is encrypted with it. */
function markOf(rootKey: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(rootKey).digest())
}

/** A message as Olm's own library takes and gives it: base64 without padding. */
export interface OlmMessage {
  /** 0: begins a session; 1: any other. */
  readonly type: number
  readonly body: string
}

/** Keys of the other side, 32 bytes each. */
export interface OlmKeys {
  readonly identityKey: Uint8Array
  readonly oneTimeKey: Uint8Array
}

/** One side of an Olm session. */
export class OlmPeer {
  #state: RatchetState
  readonly #prelude: Uint8Array | undefined
  /** Mark of each chain of theirs, by its ratchet key. */
  readonly #chains = new Map<string, Uint8Array>()

  private constructor(state: RatchetState, prelude?: Uint8Array) {
    this.#state = state
    this.#prelude = prelude
  }

  /** As Alice in Olm's specification. */
  static begin(their: OlmKeys): OlmPeer {
    const identity = openAgreementKey(systemRandom(32))
    const base = openAgreementKey(systemRandom(32))
    const secret = Buffer.concat([
      identity.agree(their.oneTimeKey),
      base.agree(their.identityKey),
      base.agree(their.oneTimeKey),
    ])
    const { rootKey, chainKey } = startOf(secret)
    const prelude = Buffer.concat([
      field(PREKEY_FIELD.oneTimeKey, their.oneTimeKey),
      field(PREKEY_FIELD.baseKey, base.publicKey),
      field(PREKEY_FIELD.identityKey, identity.publicKey),
    ])
    const sending = { headerKey: NOTHING, chainKey, number: 0, ciphertext: NOTHING, sentBefore: 0 }
    const keys = openKeys(systemRandom(32))
    const turn = { is: "theirs", keys, sending } as const
    return new OlmPeer({ ...blank(rootKey), turn, receiving: undefined }, prelude)
  }

  /** As Bob: from the first message, with the secrets of the keys it names. */
  static answer(
    secrets: { identity: Uint8Array; oneTime: Uint8Array },
    first: OlmMessage,
  ): OlmPeer {
    const [identity, oneTime] = [
      openAgreementKey(secrets.identity),
      openAgreementKey(secrets.oneTime),
    ]
    const fields = readFields(bytesOf(first).subarray(1))
    const baseKey = fields.get(PREKEY_FIELD.baseKey)!
    const secret = Buffer.concat([
      oneTime.agree(fields.get(PREKEY_FIELD.identityKey)!),
      identity.agree(baseKey),
      oneTime.agree(baseKey),
    ])
    const { rootKey, chainKey } = startOf(secret)
    const theirKey = read(fields.get(PREKEY_FIELD.message)!).header.key
    const headerKey = markOf(chainKey)
    const peer = new OlmPeer({
      ...blank(rootKey),
      turn: { is: "ours", theirKey, sentBefore: 0 },
      receiving: { headerKey, first: false, chainKey, number: 0 },
    })
    peer.#chains.set(hex(theirKey), headerKey)
    return peer
  }

  /** Whether something of theirs was opened. */
  get #isAnswered(): boolean {
    return this.#state.receiving !== undefined
  }

  encrypt(text: string): OlmMessage {
    const taken = takeSendingKey(SUITE, this.#state, systemRandom)
    this.#state = taken.state
    const message = write(taken.header, taken.messageKey, text)
    if (this.#prelude === undefined || this.#isAnswered) return { type: 1, body: toBase64(message) }
    const wrapped = [Uint8Array.of(VERSION), this.#prelude, field(PREKEY_FIELD.message, message)]
    return { type: 0, body: toBase64(Buffer.concat(wrapped)) }
  }

  /** `undefined` for what does not open; nothing is changed then. */
  decrypt(message: OlmMessage): string | undefined {
    const bytes = bytesOf(message)
    const inner =
      message.type === 0 ? readFields(bytes.subarray(1)).get(PREKEY_FIELD.message)! : bytes
    const { header, ciphertext } = read(inner)
    const known = this.#chains.get(hex(header.key))
    const headerKey = known ?? this.#state.nextReceivingKey
    // Olm does not say how many messages the chain before had.
    const sentBefore = this.#state.receiving?.number ?? 0
    const arrival = { headerKey, header: { ...header, sentBefore }, nowMs: 0 }
    const taken = takeReceivingKey(SUITE, this.#state, arrival)
    const text = taken && open(inner, taken.messageKey, ciphertext)
    if (taken === undefined || text === undefined) return undefined
    this.#state = taken.state
    this.#chains.set(hex(header.key), headerKey)
    return text
  }
}

function blank(rootKey: Uint8Array) {
  return {
    rootKey,
    nextSendingKey: NOTHING,
    nextReceivingKey: markOf(rootKey),
    kept: [],
  }
}

function startOf(secret: Uint8Array): { rootKey: Uint8Array; chainKey: Uint8Array } {
  const [rootKey, chainKey] = halves(
    hkdf(secret, { salt: NO_SALT, info: "OLM_ROOT", byteCount: 64 }),
  )
  return { rootKey, chainKey }
}

function halves(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  return [bytes.slice(0, 32), bytes.slice(32)]
}

function keysOf(messageKey: Uint8Array) {
  const bytes = hkdf(messageKey, { salt: NO_SALT, info: "OLM_KEYS", byteCount: 80 })
  return { aes: bytes.subarray(0, 32), mac: bytes.subarray(32, 64), iv: bytes.subarray(64) }
}

function write(header: Header, messageKey: Uint8Array, text: string): Uint8Array {
  const { aes, mac, iv } = keysOf(messageKey)
  const cipher = createCipheriv("aes-256-cbc", aes, iv)
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()])
  const body = Buffer.concat([
    Uint8Array.of(VERSION),
    field(FIELD.ratchetKey, header.key),
    Uint8Array.of(FIELD.number),
    varint(header.number),
    field(FIELD.ciphertext, ciphertext),
  ])
  return Buffer.concat([body, tagOf(mac, body)])
}

function read(message: Uint8Array): { header: Header; ciphertext: Uint8Array } {
  const fields = readFields(message.subarray(1, -TAG_BYTES))
  const number = fields.get(FIELD.number)!
  const header = {
    key: fields.get(FIELD.ratchetKey)!,
    ciphertext: NOTHING,
    sentBefore: 0,
    number: readVarint(number, 0).value,
  }
  return { header, ciphertext: fields.get(FIELD.ciphertext)! }
}

function open(
  message: Uint8Array,
  messageKey: Uint8Array,
  ciphertext: Uint8Array,
): string | undefined {
  const { aes, mac, iv } = keysOf(messageKey)
  const expected = tagOf(mac, message.subarray(0, -TAG_BYTES))
  if (Buffer.compare(expected, message.subarray(-TAG_BYTES)) !== 0) return undefined
  const decipher = createDecipheriv("aes-256-cbc", aes, iv)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8")
}

function tagOf(key: Uint8Array, body: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(body).digest().subarray(0, TAG_BYTES)
}

function field(tag: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag), varint(bytes.length), bytes])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (; value >= 128; value >>>= 7) bytes.push((value & 127) | 128)
  return Uint8Array.of(...bytes, value)
}

function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    value |= (byte & 127) << shift
    if (byte < 128) return { value, next: at }
  }
}

/** Numbers stay as they are written. */
function readFields(bytes: Uint8Array): Map<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>()
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!
    const { value, next } = readVarint(bytes, at + 1)
    const end = (tag & 7) === 2 ? next + value : next
    fields.set(tag, bytes.subarray((tag & 7) === 2 ? next : at + 1, end))
    at = end
  }
  return fields
}

function bytesOf({ body }: OlmMessage): Uint8Array {
  return new Uint8Array(Buffer.from(body, "base64"))
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "")
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}
