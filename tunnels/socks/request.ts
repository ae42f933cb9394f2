/**
 * What a program says to a SOCKS proxy before its own bytes begin: versions 4, 4a and 5 on one port.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1928
 * @see https://www.rfc-editor.org/rfc/rfc1929
 * @see https://www.openssh.com/txt/socks4a.protocol
 * @see https://spec.torproject.org/socks-extensions.html
 * @module
 */
import { AlliumError, type Credentials } from "allium/tunnel"
import type { ByteReader } from "./byte-reader.ts"

/** Where a request leads, as it was said; nothing is resolved or made equal. */
export type SocksAddress =
  | { readonly kind: "name"; readonly name: string }
  /** Dotted. */
  | { readonly kind: "ipv4"; readonly ip: string }
  | { readonly kind: "ipv6" }
  /** A type no RFC knows: what follows cannot be read. */
  | { readonly kind: "unknown" }

/** One request; `command` is the byte that was said, `COMMANDS` has those that mean something. */
export interface SocksRequest {
  readonly version: 4 | 5
  readonly command: number
  readonly address: SocksAddress
  /** 0 to 65535. */
  readonly port: number
  /** Who asks, where that was said; version 4 knows no password. */
  readonly credentials: Credentials | undefined
}

/** Commands; the last two are Tor's. */
export const COMMANDS = { connect: 1, bind: 2, associate: 3, resolve: 0xf0, resolvePtr: 0xf1 }

/** Longest user name and host of version 4, in bytes; version 5 cannot say longer ones. */
const TEXT_BYTES_MAX = 255

const METHOD_NONE = 0
const METHOD_PASSWORD = 2
const NO_METHOD = 0xff

/** Why somebody may not come in; nothing when they may. */
export type Admit = (credentials: Credentials | undefined) => AlliumError | undefined

/**
 * Reads one request and answers what must be answered before it: method and password of version 5.
 *
 * @param say - Sends bytes to the program.
 * @param admit - Asked once, before the address is read.
 * @throws {AlliumError} `BAD_REQUEST` when it is not SOCKS, what `admit` gave, and as the reader.
 */
export async function readSocks(
  reader: ByteReader,
  { say, admit }: { say(bytes: Uint8Array): void; admit: Admit },
): Promise<SocksRequest> {
  const [version = 0] = await reader.take(1)
  if (version === 4) return readFour(reader, admit)
  if (version !== 5) throw notSocks()
  const credentials = await agree(reader, { say, admit })
  const [again, command = 0, , type = 0] = await reader.take(4)
  if (again !== 5) throw notSocks()
  const address = await readAddress(reader, type)
  const port = address.kind === "unknown" ? 0 : (await reader.take(2)).readUInt16BE()
  return { version, command, address, port, credentials }
}

async function readFour(reader: ByteReader, admit: Admit): Promise<SocksRequest> {
  const head = await reader.take(7)
  const user = await reader.takeText(TEXT_BYTES_MAX)
  const credentials = user === "" ? undefined : { user, password: "" }
  const ip = [...head.subarray(3)].join(".")
  const isNamed = /^0\.0\.0\.[1-9]/.test(ip)
  const address: SocksAddress = isNamed
    ? { kind: "name", name: await reader.takeText(TEXT_BYTES_MAX) }
    : { kind: "ipv4", ip }
  const refusal = admit(credentials)
  if (refusal !== undefined) throw refusal
  return { version: 4, command: head[0]!, address, port: head.readUInt16BE(1), credentials }
}

/** A password is asked for when the program has one: it says who is to be kept apart. */
async function agree(
  reader: ByteReader,
  { say, admit }: { say(bytes: Uint8Array): void; admit: Admit },
): Promise<Credentials | undefined> {
  const [methodCount = 0] = await reader.take(1)
  const methods = await reader.take(methodCount)
  if (methods.includes(METHOD_PASSWORD)) {
    say(Uint8Array.of(5, METHOD_PASSWORD))
    const credentials = await readPassword(reader)
    const refusal = admit(credentials)
    say(Uint8Array.of(1, refusal === undefined ? 0 : 1))
    if (refusal !== undefined) throw refusal
    return credentials
  }
  const refusal = methods.includes(METHOD_NONE) ? admit(undefined) : noMethod()
  say(Uint8Array.of(5, refusal === undefined ? METHOD_NONE : NO_METHOD))
  if (refusal !== undefined) throw refusal
  return undefined
}

async function readPassword(reader: ByteReader): Promise<Credentials | undefined> {
  const [version] = await reader.take(1)
  if (version !== 1) throw notSocks()
  const user = await readText(reader)
  const password = await readText(reader)
  return user === "" && password === "" ? undefined : { user, password }
}

async function readText(reader: ByteReader): Promise<string> {
  const [byteCount = 0] = await reader.take(1)
  return (await reader.take(byteCount)).toString("utf8")
}

async function readAddress(reader: ByteReader, type: number): Promise<SocksAddress> {
  if (type === 1) return { kind: "ipv4", ip: [...(await reader.take(4))].join(".") }
  if (type === 3) return { kind: "name", name: await readText(reader) }
  if (type !== 4) return { kind: "unknown" }
  await reader.take(16)
  return { kind: "ipv6" }
}

function notSocks(): AlliumError {
  return new AlliumError("BAD_REQUEST", "Cannot read request: it is not SOCKS 4, 4a or 5")
}

function noMethod(): AlliumError {
  const message = "Cannot use proxy: the program offers no way to say who it is that we know"
  return new AlliumError("PROXY_AUTH_NEEDED", message)
}
