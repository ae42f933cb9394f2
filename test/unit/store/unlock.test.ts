import { createHash } from "node:crypto"
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { scrypt } from "@noble/hashes/scrypt.js"
import { describe, expect, it } from "vitest"
import { changePassphrase, openVault } from "../../../src/store/unlock.ts"
import { freshFolder } from "./store-folder.ts"

const cheap = { cost: 16, blockSize: 1, parallelization: 1 }
const SECRET = "correct horse"
const vaultOf = (home: string) => join(home, "vault.json")
const isMasterKey = expect.objectContaining({ length: 32 })

describe("openVault()", () => {
  it("makes a home and a key for their owner alone, and opens them again", async () => {
    const home = join(await freshFolder(), "home")
    const { masterKey } = await openVault(home)
    expect(masterKey).toEqual(isMasterKey)
    expect(await openVault(home)).toEqual({ masterKey })
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    expect((await stat(vaultOf(home))).mode & 0o777).toBe(0o600)
    expect(await readdir(home)).toEqual(["vault.json"])
  })

  it("gives every home a key of its own", async () => {
    const keys = [await openVault(await freshFolder()), await openVault(await freshFolder())]
    expect(keys[0]!.masterKey).not.toEqual(keys[1]!.masterKey)
  })

  it("gives one key when several processes make the home at once", async () => {
    const home = await freshFolder()
    const keys = await Promise.all(Array.from({ length: 8 }, () => openVault(home)))
    expect(new Set(keys.map(({ masterKey }) => masterKey.join())).size).toBe(1)
    expect(await openVault(home)).toEqual(keys[0])
    expect(await readdir(home)).toEqual(["vault.json"])
  })

  it("opens with the passphrase, however the keyboard writes it, and with no other", async () => {
    const home = await freshFolder()
    const { masterKey } = await openVault(home, { passphrase: "Ångström", scrypt: cheap })
    expect(await openVault(home, { passphrase: "A\u030angstro\u0308m" })).toEqual({ masterKey })
    for (const passphrase of ["ångström", "", "Ångström "])
      await expect(openVault(home, { passphrase })).rejects.toMatchObject({
        code: "WRONG_PASSPHRASE",
      })
    await expect(openVault(home)).rejects.toMatchObject({ code: "PASSPHRASE_NEEDED" })
  })

  it("does not pretend that a passphrase protects a home made without one", async () => {
    const home = await freshFolder()
    await openVault(home)
    await expect(openVault(home, { passphrase: SECRET })).rejects.toMatchObject({
      code: "WRONG_PASSPHRASE",
    })
  })

  it("is opened by noble's scrypt and XChaCha20-Poly1305 in the same way", async () => {
    const home = await freshFolder()
    const { masterKey } = await openVault(home, { passphrase: SECRET, scrypt: cheap })
    const vault = JSON.parse(await readFile(vaultOf(home), "utf8"))
    const wrapping = scrypt(SECRET, Buffer.from(vault.salt, "base64url"), {
      N: 16,
      r: 1,
      p: 1,
      dkLen: 32,
    })
    const bound = new TextEncoder().encode(`allium vault v1 16 1 1 ${vault.salt}`)
    const wrapped = new Uint8Array(Buffer.from(vault.wrapped, "base64url"))
    const box = xchacha20poly1305(wrapping, wrapped.subarray(0, 24), bound)
    expect(box.decrypt(wrapped.subarray(24))).toEqual(masterKey)
  })

  it("costs 128 MiB of scrypt unless a test says otherwise", async () => {
    const home = await freshFolder()
    await openVault(home, { passphrase: SECRET })
    const vault = JSON.parse(await readFile(vaultOf(home), "utf8"))
    expect(vault.scrypt).toEqual({ cost: 131_072, blockSize: 8, parallelization: 1 })
  })

  it("holds neither key nor passphrase in clear when there is a passphrase", async () => {
    const home = await freshFolder()
    const { masterKey } = await openVault(home, { passphrase: SECRET, scrypt: cheap })
    const text = await readFile(vaultOf(home), "utf8")
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain(Buffer.from(masterKey).toString("base64url"))
  })

  const edit = (change: (vault: Record<string, unknown>) => unknown) => async (path: string) =>
    writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, "utf8")))))
  const withSum = (vault: Record<string, unknown>) => {
    const { sum: _sum, ...rest } = vault
    const sum = createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16)
    return { ...rest, sum }
  }

  it.each([
    { name: "empty", damage: (path: string) => truncate(path, 0) },
    { name: "4 bytes long", damage: (path: string) => truncate(path, 4) },
    { name: "cut short", damage: (path: string) => truncate(path, 100) },
    { name: "followed by a byte", damage: (path: string) => writeFile(path, "x", { flag: "a" }) },
    { name: "a list", damage: (path: string) => writeFile(path, "[]") },
    { name: "null", damage: (path: string) => writeFile(path, "null") },
    {
      name: "a folder",
      damage: async (path: string) => {
        await rm(path)
        await mkdir(path, { mode: 0o700 })
      },
    },
    { name: "100 kB long", damage: (path: string) => writeFile(path, " ".repeat(100_000)) },
    { name: "of another salt", damage: edit((vault) => ({ ...vault, salt: "A".repeat(22) })) },
    { name: "of a later format", damage: edit((vault) => withSum({ ...vault, format: 2 })) },
    {
      name: "asking for 1 TiB of memory",
      damage: edit((vault) =>
        withSum({ ...vault, scrypt: { cost: 2 ** 30, blockSize: 8, parallelization: 1 } }),
      ),
    },
    {
      name: "asking for a cost that is no power of two",
      damage: edit((vault) =>
        withSum({ ...vault, scrypt: { cost: 17, blockSize: 8, parallelization: 1 } }),
      ),
    },
  ])("says KEY_FILE_DAMAGED when the vault is $name, and makes no new key", async ({ damage }) => {
    const home = await freshFolder()
    await openVault(home, { passphrase: SECRET, scrypt: cheap })
    await damage(vaultOf(home))
    const failure = await openVault(home, { passphrase: SECRET }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: "KEY_FILE_DAMAGED" })
    expect(String(failure)).not.toContain(SECRET)
    await expect(openVault(home, { passphrase: SECRET })).rejects.toMatchObject({
      code: "KEY_FILE_DAMAGED",
    })
  })

  it("says WRONG_PASSPHRASE when somebody lowered the cost of wrapping", async () => {
    const home = await freshFolder()
    await openVault(home, { passphrase: SECRET, scrypt: cheap })
    await edit((vault) => withSum({ ...vault, scrypt: { ...cheap, cost: 2 } }))(vaultOf(home))
    await expect(openVault(home, { passphrase: SECRET })).rejects.toMatchObject({
      code: "WRONG_PASSPHRASE",
    })
  })

  it.each([0o640, 0o604, 0o644, 0o660, 0o601])(
    "says KEY_FILE_EXPOSED for mode %o",
    async (mode) => {
      const home = await freshFolder()
      await openVault(home)
      await chmod(vaultOf(home), mode)
      await expect(openVault(home)).rejects.toMatchObject({ code: "KEY_FILE_EXPOSED" })
      await chmod(vaultOf(home), 0o600)
      await openVault(home)
    },
  )

  it.each(["store/store.json", "keys/phrase.sealed"])(
    "makes no new key when the vault is gone and %s is there",
    async (proof) => {
      const home = await freshFolder()
      await mkdir(join(home, proof, ".."), { recursive: true })
      await writeFile(join(home, proof), "")
      await expect(openVault(home)).rejects.toMatchObject({ code: "KEY_FILE_DAMAGED" })
      expect(await readdir(home)).not.toContain("vault.json")
    },
  )
})

describe("changePassphrase()", () => {
  it("wraps the same key anew, from and to no passphrase as well", async () => {
    const home = await freshFolder()
    const { masterKey } = await openVault(home)
    await changePassphrase(home, { next: "one", scrypt: cheap })
    expect(await openVault(home, { passphrase: "one" })).toEqual({ masterKey })
    await changePassphrase(home, { passphrase: "one", next: "two", scrypt: cheap })
    await expect(openVault(home, { passphrase: "one" })).rejects.toMatchObject({
      code: "WRONG_PASSPHRASE",
    })
    expect(await openVault(home, { passphrase: "two" })).toEqual({ masterKey })
    await changePassphrase(home, { passphrase: "two" })
    expect(await openVault(home)).toEqual({ masterKey })
    expect(await readdir(home)).toEqual(["vault.json"])
  })

  it("changes nothing with a wrong passphrase, or where there is no vault", async () => {
    const home = await freshFolder()
    await openVault(home, { passphrase: "one", scrypt: cheap })
    const before = await readFile(vaultOf(home))
    const change = changePassphrase(home, { passphrase: "two", next: "three", scrypt: cheap })
    await expect(change).rejects.toMatchObject({ code: "WRONG_PASSPHRASE" })
    expect(await readFile(vaultOf(home))).toEqual(before)
    await expect(changePassphrase(await freshFolder(), { next: "x" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    })
  })
})
