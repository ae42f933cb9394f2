/**
 * What people may choose about the program behind a server, the same for every kind.
 *
 * @module
 */
import { readFile } from "node:fs/promises"
import { z } from "zod"
import { AlliumError } from "../errors.ts"
import { type BackendAddress, parseBackend } from "./address.ts"
import { CLIENT_ADDRESSES, type ClientAddress } from "./client-address.ts"
import { type Backend, type BackendTls, requirePossible } from "./connect.ts"

/** Options about the program, each with its line of help. */
export const backendOptions = {
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that is another machine, by its IP address" }),
  clientAddress: z.enum(CLIENT_ADDRESSES).default("none").meta({
    description: "Tell the program who connects: loopback (127.x.y.z, Linux), proxy-v1, proxy-v2",
  }),
  tls: z.boolean().default(false).meta({ description: "Speak TLS to the program" }),
  tlsName: z
    .string()
    .min(1)
    .max(255)
    .default("localhost")
    .meta({ description: "Name the program's certificate must bear" }),
  tlsCa: z.string().optional().meta({
    kind: "path",
    description: "File with the PEM certificates it may be signed by; the system's otherwise",
  }),
  tlsPin: z
    .string()
    .transform((text) => text.replaceAll(":", "").toLowerCase())
    .pipe(z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 of 64 hexadecimal digits"))
    .optional()
    .meta({ description: "SHA-256 of its certificate: that one and no other" }),
}

/** Such options after they were checked. */
export interface BackendChoice {
  readonly allowLan: boolean
  readonly clientAddress: ClientAddress
  readonly tls: boolean
  readonly tlsName: string
  readonly tlsCa?: string | undefined
  readonly tlsPin?: string | undefined
}

/** Reads a target as people type it. @throws {AlliumError} `BAD_INPUT`, also when this system cannot do it. */
export async function chooseBackend(target: string, chosen: BackendChoice): Promise<Backend> {
  const address: BackendAddress = parseBackend(target, chosen)
  const tls = await chooseTls(chosen)
  const backend = { address, clientAddress: chosen.clientAddress, ...(tls && { tls }) }
  requirePossible(backend)
  return backend
}

/** More is no list of certificates. */
const PEM_BYTES_MAX = 1_048_576

async function chooseTls(chosen: BackendChoice): Promise<BackendTls | undefined> {
  const { tls, tlsName: name, tlsCa, tlsPin } = chosen
  if (!tls && (tlsCa ?? tlsPin) !== undefined)
    throw new AlliumError("BAD_INPUT", "Cannot check certificates without TLS, expected --tls too")
  if (!tls) return undefined
  if (tlsPin !== undefined) return { name, pin: Buffer.from(tlsPin, "hex") }
  return { name, ...(tlsCa !== undefined && { authorities: await readPem(tlsCa) }) }
}

async function readPem(path: string): Promise<string> {
  const text = await readFile(path, "latin1").catch(() => "")
  if (text.length <= PEM_BYTES_MAX && text.includes("-----BEGIN CERTIFICATE-----")) return text
  throw new AlliumError("BAD_INPUT", "Cannot use certificates: the file holds none in PEM")
}
