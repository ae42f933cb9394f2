import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { requireAddress, shortAddress } from "../../../../src/router/names/address.ts"
import { requirePublicName } from "../../../../src/router/names/host-name.ts"
import { readNameFile, writeNameFile } from "../../../../src/router/names/name-file.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { nameOwner } from "../../../support/name-people.ts"

const [ann, bob] = [nameOwner(1), nameOwner(2)]
const hash = ann.b32.slice(0, 52)
const pieces = fc.constantFrom(
  ...["a.i2p", "B.I2P", "c.i2p.alt", "b32.i2p", "a", "..i2p", "bücher.i2p", hash, hash.slice(1)],
  ...[ann.b32, ann.dest, bob.dest, `${hash}aaaa`, ",", ",,", "=", "#", "#!", "\0", " ", "\t", "\r"],
)
const lines = fc.oneof(
  fc.string({ unit: "grapheme" }).map((one) => one.replaceAll("\n", " ")),
  fc.array(pieces, { maxLength: 5 }).map((all) => all.join("")),
  fc.tuple(pieces, pieces).map(([name, address]) => `${name},${address}`),
)

describe("files of names", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-name-files-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it.each(["csv", "txt"])(
    "gives checked names or numbered bad lines, whatever a .%s holds",
    async (kind) => {
      const file = join(folder, `noise.${kind}`)
      await fc.assert(
        fc.asyncProperty(fc.array(lines, { maxLength: 20 }), async (all) => {
          await writeFile(file, all.join("\n"))
          const { names, twice, bad } = await readNameFile(file)
          for (const [name, address] of names) {
            expect(requirePublicName(name)).toBe(name)
            expect(requireAddress(address)).toBe(address)
          }
          for (const name of twice) expect(names.has(name)).toBe(true)
          expect(names.size + bad.length).toBeLessThanOrEqual(all.length)
          for (const { line, reason } of bad) {
            expect(all[line - 1]).toBeDefined()
            expect(reason).not.toContain("Cannot")
          }
        }),
        { numRuns: fuzzRuns(150) },
      )
    },
  )

  it("reads what it wrote", async () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,20}$/)
    let number = 0
    await fc.assert(
      fc.asyncProperty(fc.array(label, { maxLength: 10 }), async (labels) => {
        const names = new Map(labels.map((one, at) => [`${one}.i2p`, nameOwner(at).dest]))
        const paths = ["txt", "csv"].map((kind) => join(folder, `${number++}.${kind}`))
        for (const path of paths) await writeNameFile(path, names, shortAddress)
        const [whole, short] = await Promise.all(paths.map((path) => readNameFile(path)))
        expect(new Map(whole?.names)).toEqual(names)
        const shorter = [...names].map(([name, address]) => [name, shortAddress(address)] as const)
        expect(new Map(short?.names)).toEqual(new Map(shorter))
        expect([whole?.bad, short?.bad]).toEqual([[], []])
      }),
      { numRuns: fuzzRuns(20) },
    )
  })
})
