/**
 * All routers of the private network, and how they come to know each other without a reseed.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { I2pd } from "./i2pd.ts"

export { samPort } from "./i2pd.ts"

export interface Routers extends AsyncDisposable {
  /** Router 1, 2, …; throws when there is none of that number. */
  get(number: number): I2pd
  /** Starts a router that was ended; it knows all the others again. */
  start(number: number): Promise<void>
  /** Routers that ended without being told to. */
  readonly crashes: readonly string[]
}

/**
 * The last ones, so that tests, which begin with router 1, sit on ordinary routers as people do. The
 * first stream that a floodfill of 2.45.1 dials is mostly silent: 23 of 30, and none of 60 from others.
 *
 * Now and then 2.45.1 does not get a LeaseSet published, and tries again only with its next tunnels, up to ten
 * minutes later; it happened with two floodfills and with four, so tests are patient.
 */
const FLOODFILLS = 2
/** Before a router that ended by itself is started again. */
const RESTART_MS = 1_000
/** Router identity without certificate payload, in bytes; then where its length stands. */
const IDENTITY_BYTES_MIN = 387
const CERTIFICATE_LENGTH_OFFSET = 385

/** Starts the routers once for their keys, introduces everybody to everybody, starts them for good. */
export async function openRouters(options: {
  readonly routerCount: number
  readonly i2pd: string
  readonly folder: string
}): Promise<Routers> {
  const crashes: string[] = []
  const life = new AbortController()
  const routers = Array.from({ length: options.routerCount }, (_, index) =>
    newRouter(index + 1, { ...options, crashes, signal: life.signal }),
  )
  const all = (deed: (router: I2pd) => Promise<void>) => Promise.all(routers.map(deed))
  const close = async () => {
    life.abort()
    await all((router) => router.kill())
  }
  try {
    await all((router) => router.start())
    await all((router) => router.stop())
    await all((router) => introduce(router, routers))
    await all((router) => router.start())
  } catch (error) {
    await close()
    throw error
  }
  return routersOf(routers, crashes, close)
}

function routersOf(routers: I2pd[], crashes: string[], close: () => Promise<void>): Routers {
  const get = (number: number) => {
    const router = routers[number - 1]
    if (router === undefined)
      throw new RangeError(`Cannot find router ${number}: the network has ${routers.length}`)
    return router
  }
  const start = async (number: number) => {
    await introduce(get(number), routers)
    await get(number).start()
  }
  return { get, start, crashes, [Symbol.asyncDispose]: close }
}

function newRouter(
  number: number,
  options: {
    readonly i2pd: string
    readonly folder: string
    readonly routerCount: number
    readonly crashes: string[]
    readonly signal: AbortSignal
  },
): I2pd {
  const { crashes, signal } = options
  const tell = (what: string) => {
    crashes.push(what)
    console.error(`testnet: ${what}`)
  }
  const folder = join(options.folder, `router-${number}`)
  const floodfill = number > options.routerCount - FLOODFILLS
  const router: I2pd = new I2pd({
    number,
    folder,
    program: options.i2pd,
    floodfill,
    onCrash(what) {
      tell(what)
      startAgain(router, signal).catch((error: unknown) => signal.aborted || tell(String(error)))
    },
  })
  return router
}

/** As a service manager does: 2.45.1 now and then aborts by itself, and Allium must get over it. */
async function startAgain(router: I2pd, signal: AbortSignal): Promise<void> {
  await delay(RESTART_MS, undefined, { signal })
  await router.start()
}

/** Puts every other router's file where this one looks for the routers it knows. */
async function introduce(router: I2pd, routers: readonly I2pd[]): Promise<void> {
  for (const other of routers) {
    if (other === router) continue
    const info = await readFile(other.routerInfoFile)
    const hash = routerHash(info)
    const shelf = join(router.folder, "netDb", `r${hash[0]}`)
    await mkdir(shelf, { recursive: true })
    await writeFile(join(shelf, `routerInfo-${hash}.dat`), info)
  }
}

/** I2P base64 of SHA-256 over the router identity at the head of a `router.info`. */
export function routerHash(info: Buffer): string {
  const end = IDENTITY_BYTES_MIN + info.readUInt16BE(CERTIFICATE_LENGTH_OFFSET)
  const hash = createHash("sha256").update(info.subarray(0, end)).digest("base64")
  return hash.replaceAll("+", "-").replaceAll("/", "~")
}
