/**
 * Opens the store: lock, look at the files, open, compare with what must be there, migrate.
 *
 * A folder holds `store.json` (the sentinel), `data/` (LevelDB) and `lock/`. Nothing is ever repaired or begun
 * anew in silence: `repairStore()` does that when a person says so.
 *
 * @module
 */
import { mkdir, readdir } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { type RandomBytes, systemRandom } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type JournalNumbers, PendingChange, requireOwn } from "./changes.ts"
import { Commits } from "./commits.ts"
import { type Disk, levelDisk } from "./database.ts"
import { describeDamage, inspectFiles } from "./inspect.ts"
import { Keeper } from "./keeper.ts"
import { lockFolder } from "./lock.ts"
import { readMeta, writeMeta } from "./meta.ts"
import { MIGRATIONS, type Migration } from "./migrations.ts"
import { COUNT_PLACE, NUMBERS_RANGE } from "./places.ts"
import { numbersOf, openSealed, putOperation, roomAt, type StoreCore, walk } from "./room.ts"
import { deriveStoreKeys, type StoreKeys } from "./seal.ts"
import { readSentinel, type Sentinel, writeSentinel } from "./sentinel.ts"
import type { Store } from "./store.ts"
import { TableSums } from "./table-sums.ts"
import { TableWatch } from "./table-watch.ts"

/** How often the sentinel learns how far the database has come: a durable write each 1,000 batches. */
const CHECKPOINT_BATCHES = 1000

/** What a store needs. */
export interface StoreOptions {
  /** The store's own folder; made with mode 0700 when missing. */
  readonly folder: string
  /** Master key, 32 bytes; the caller keeps owning it. */
  readonly key: Uint8Array
  readonly clock: Clock
  readonly log: Log
  readonly random?: RandomBytes
  /** For tests: a disk that fails. */
  readonly disk?: Disk
  /** For tests: other migrations than ours. */
  readonly migrations?: readonly Migration[]
}

/**
 * Opens the store in a folder, or makes it there.
 *
 * @throws {AlliumError} `STORE_LOCKED`, `STORE_DAMAGED`, `STORE_EMPTIED`, `STORE_TOO_NEW`, `STORE_WRONG_KEY`,
 * `STORE_FULL`, `STORE_FAILED`. @throws {RangeError} for a key that is not 32 bytes.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  if (options.key.length !== 32) throw new RangeError("Cannot open store: the key has not 32 bytes")
  await using scope = new Scope()
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  scope.defer(await lockFolder(options.folder))
  const sums = await TableSums.read(options.folder)
  const { keeper, keys, sentinel } = await openDatabase(options, sums, scope)
  const core = await openCore(options, { keeper, keys, sentinel })
  // Before the first commit: from here on the sentinel is only a lower bound.
  await writeSentinel(options.folder, {
    ...sentinel,
    batches: core.commits.batchCount,
    closed: false,
  })
  scope.use(new TableWatch({ ...options, sums, log: options.log.child("store") }))
  scope.defer(() => closeCore(core, options, sentinel))
  await migrate(core, options)
  const owned = scope.move()
  return { ...roomAt(core, []), [Symbol.asyncDispose]: () => owned.close() }
}

interface Opened {
  readonly keeper: Keeper
  readonly keys: StoreKeys
  readonly sentinel: Sentinel
}

async function openDatabase(options: StoreOptions, sums: TableSums, scope: Scope): Promise<Opened> {
  const { folder, disk = levelDisk } = options
  const remembered = await readSentinel(folder)
  await requireSound(join(folder, "data"), remembered, sums)
  const keeper = await Keeper.open(disk, join(folder, "data"))
  scope.defer(() => keeper.close())
  const { id, created } = await identify(keeper, options, remembered)
  const keys = deriveStoreKeys(options.key, id)
  const hex = Buffer.from(id).toString("hex")
  const sentinel = remembered ?? { format: 1, id: hex, created, batches: 0, closed: false }
  if (sentinel.id !== hex) throw damaged("the database belongs to another store")
  return { keeper, keys, sentinel }
}

/** LevelDB itself would open what is damaged, losing data, answering wrongly or ending the process. */
async function requireSound(
  data: string,
  remembered: Sentinel | undefined,
  sums: TableSums,
): Promise<void> {
  const names = await readdir(data).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []
    throw error
  })
  const holdsData = names.some((name) => /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|log))$/.test(name))
  if (!holdsData && remembered !== undefined)
    throw new AlliumError(
      "STORE_EMPTIED",
      `Cannot open store: nothing is in its folder, expected the data of ${remembered.created}`,
    )
  if (!holdsData) return
  const damage = await inspectFiles(data, { closed: remembered?.closed === true, sums })
  if (damage.length > 0) throw damaged(describeDamage(damage))
}

/** The database's id; a fresh database gets one. */
async function identify(
  keeper: Keeper,
  options: StoreOptions,
  remembered: Sentinel | undefined,
): Promise<{ id: Uint8Array; created: string }> {
  const meta = await readMeta(keeper, options.key)
  if (meta !== undefined) return meta
  if (remembered !== undefined)
    throw new AlliumError("STORE_EMPTIED", "Cannot open store: its database is empty")
  const random = options.random ?? systemRandom
  const fresh = { id: random(16), created: new Date(options.clock.now()).toISOString() }
  const keys = deriveStoreKeys(options.key, fresh.id)
  const schema = (options.migrations ?? MIGRATIONS).length
  const operation = writeMeta({ keys, random }, { created: fresh.created, schema })
  await keeper.use((database) => database.write([operation]))
  return fresh
}

async function openCore(
  options: StoreOptions,
  { keeper, keys, sentinel }: Opened,
): Promise<StoreCore> {
  const random = options.random ?? systemRandom
  const log = options.log.child("store")
  let remembered = sentinel.batches
  const commits = new Commits(
    {
      keeper,
      log,
      clock: options.clock,
      seal: (place, value) => putOperation({ keys, random }, place, value),
      open: (place, sealed) => openSealed(keys, place, sealed),
      async written(batches) {
        if (batches - remembered < CHECKPOINT_BATCHES) return
        remembered = batches
        await checkpoint(options.folder, { ...sentinel, batches, closed: false }, log)
      },
    },
    await requireBatches(keeper, keys, sentinel),
  )
  return { keys, random, keeper, commits, numbers: await readNumbers(keeper, keys) }
}

/** A closed database holds exactly what the sentinel says, a killed one at least that. */
async function requireBatches(
  keeper: Keeper,
  keys: StoreKeys,
  sentinel: Sentinel,
): Promise<number> {
  const batches = await readBatchCount(keeper, keys)
  const lost = sentinel.batches - batches
  if (lost > 0) throw damaged(`its last ${lost} changes are gone`)
  if (sentinel.closed && lost < 0)
    throw damaged(`it holds ${-lost} changes more than when it was closed`)
  return batches
}

async function readBatchCount(keeper: Keeper, keys: StoreKeys): Promise<number> {
  const [sealed] = await keeper.use((database) => database.getMany([COUNT_PLACE]))
  return sealed === undefined ? 0 : z.int().parse(openSealed(keys, COUNT_PLACE, sealed))
}

async function readNumbers(keeper: Keeper, keys: StoreKeys): Promise<Map<string, JournalNumbers>> {
  const numbers = new Map<string, JournalNumbers>()
  for await (const [place, sealed] of walk({ keeper }, NUMBERS_RANGE))
    numbersOf(numbers, place).last = z.int().parse(openSealed(keys, place, sealed))
  return numbers
}

async function migrate(core: StoreCore, options: StoreOptions): Promise<void> {
  const migrations = options.migrations ?? MIGRATIONS
  const meta = await readMeta(core.keeper, options.key)
  if (meta === undefined) throw damaged("its description is gone")
  if (meta.schema > migrations.length)
    throw new AlliumError(
      "STORE_TOO_NEW",
      `Cannot open store: its schema is ${meta.schema}, expected at most ${migrations.length}`,
    )
  for (const [index, migration] of migrations.entries()) {
    if (index < meta.schema) continue
    const changes = await migration(roomAt(core, []))
    const described = writeMeta(core, { created: meta.created, schema: index + 1 })
    await core.commits.commit([...requireOwn(core, changes), new PendingChange(core, described)])
    options.log.info("store.migrated", { schema: index + 1, changes: changes.length })
  }
}

/** The sentinel may lag behind: it is only ever a lower bound while the store is open. */
async function checkpoint(folder: string, sentinel: Sentinel, log: Log): Promise<void> {
  try {
    await writeSentinel(folder, sentinel)
  } catch (error) {
    log.warn("checkpoint-failed", { code: toAlliumError(error).code })
  }
}

async function closeCore(
  core: StoreCore,
  options: StoreOptions,
  sentinel: Sentinel,
): Promise<void> {
  await core.commits.close()
  await core.keeper.close()
  const { batchCount: batches, fault } = core.commits
  // After a failed write nobody knows what is in LevelDB's log until it is opened again.
  const state = { ...sentinel, batches, closed: fault === undefined }
  await checkpoint(options.folder, state, options.log.child("store"))
}

function damaged(found: string): AlliumError {
  return new AlliumError("STORE_DAMAGED", `Cannot open store: ${found}, expected a sound database`)
}
