import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import type { AlliumError } from "../../../src/base/errors.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { previewIdentities } from "../../../src/identity/book.ts"
import {
  type Backup,
  type BackupOwner,
  blobPlace,
  openBackup,
  sealBackup,
} from "../../../src/router/backup-format.ts"
import { KEEPSAKE_BYTES, openKeepsake, sealKeepsake } from "../../../src/router/keepsake.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }

const [ann, bob] = vectors.identities as { key: string; b32: string }[]
const contact = {
  key: bob!.key,
  address: bob!.b32,
  name: "bob",
  state: "accepted",
  verified: true,
  greeting: "",
  since: 1,
} as const
const bytes = (length: number, fill = 7) => new Uint8Array(length).fill(fill)
const backup: Backup = {
  revision: 3,
  madeMs: 1_767_225_600_000,
  name: "ann",
  reach: "reachable",
  contacts: [contact],
  doors: { plain: true, doors: [] },
  correspondents: [
    {
      peer: `${bob!.key}.0`,
      introduction: { bundle: bytes(1_400), places: [{ kind: "self" }] },
    },
  ],
  towers: { towers: [], queues: [] },
  parts: { messages: bytes(100) },
  siblings: [
    {
      name: "ann",
      index: 0,
      reach: "pull-only",
      towers: [{ key: bob!.key, address: bob!.b32 }],
    },
  ],
}
let owner: BackupOwner
let other: BackupOwner
beforeAll(async () => {
  const ownerAt = await previewIdentities(vectors.phrase)
  owner = ownerAt(0)
  other = ownerAt(1)
})
const code = (deed: () => unknown) => {
  try {
    deed()
    return "nothing thrown"
  } catch (error) {
    return (error as AlliumError).code
  }
}

describe("sealBackup()", () => {
  it("comes back as it was, for the same words only", () => {
    const sealed = sealBackup(owner, backup, systemRandom)
    expect(openBackup(owner, sealed)).toEqual(backup)
    expect(code(() => openBackup(other, sealed))).toBe("BAD_BACKUP")
  })

  it.each([
    [0, 64],
    [60, 64],
    [64, 96],
    [100, 128],
    [200, 256],
    [300, 384],
    [900, 1_024],
  ])("of %i KiB more is %i KiB long, whatever is in it", (more, expected) => {
    const parts = { messages: bytes(more * 1_024) }
    expect(sealBackup(owner, { ...backup, parts }, systemRandom).length).toBe(expected * 1_024)
  })

  it("refuses what is longer than a tower keeps", () => {
    const parts = Object.fromEntries(
      Array.from({ length: 17 }, (_, at) => [`plugin${at}`, bytes(1_048_576)]),
    )
    expect(code(() => sealBackup(owner, { ...backup, parts }, systemRandom))).toBe("TOO_LARGE")
  })

  it("holds no key, name or text that could be read", () => {
    const sealed = Buffer.from(sealBackup(owner, backup, systemRandom)).toString("latin1")
    for (const text of ["bob", bob!.key, bob!.b32, "messages"]) expect(sealed).not.toContain(text)
  })
})

describe("openBackup()", () => {
  it("answers any bytes, and any one changed, with BAD_BACKUP", () => {
    const sealed = sealBackup(owner, backup, systemRandom)
    const damaged = fc.nat({ max: sealed.length - 1 }).map((at) => {
      const copy = new Uint8Array(sealed)
      copy[at] = copy[at]! ^ 1
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (any) => {
        expect(code(() => openBackup(owner, any))).toBe("BAD_BACKUP")
      }),
      { numRuns: fuzzRuns(100) },
    )
  })

  it("refuses what a newer version wrote", () => {
    const newer = { ...backup, more: 1 } as Backup
    expect(code(() => openBackup(owner, sealBackup(owner, newer, systemRandom)))).toBe("BAD_BACKUP")
  })
})

describe("blobPlace()", () => {
  it("is another one for each tower and each identity", () => {
    const places = [
      blobPlace(owner, ann!.key),
      blobPlace(owner, bob!.key),
      blobPlace(other, ann!.key),
    ]
    const all = places
      .flatMap(({ id, writeKey }) => [id, writeKey])
      .map((one) => Buffer.from(one).toString("hex"))
    expect(new Set(all).size).toBe(6)
    expect(blobPlace(owner, ann!.key)).toEqual(places[0])
  })
})

describe("keepsakes", () => {
  const towers = Array.from({ length: 3 }, () => ({ key: ann!.key, address: ann!.b32 }))
  const longest = { ...contact, name: "🧅".repeat(64) }
  const give = (who = longest) =>
    sealKeepsake(owner, who, { madeMs: 5, towers, next: ann!.key }, systemRandom)

  it("are 1,024 bytes, with the longest name and three towers", () => {
    expect(give()).toHaveLength(KEEPSAKE_BYTES)
    expect(give({ ...longest, name: "b" as never })).toHaveLength(KEEPSAKE_BYTES)
  })

  it("come back from exactly who got them", () => {
    const { key, address, since, verified, name } = longest
    const said = { madeMs: 5, key, next: ann!.key, name, address, since, verified, towers }
    expect(openKeepsake(owner, bob!.key, give())).toEqual(said)
    expect(code(() => openKeepsake(owner, ann!.key, give()))).toBe("BAD_BACKUP")
    expect(code(() => openKeepsake(other, bob!.key, give()))).toBe("BAD_BACKUP")
  })

  it("come back from a contact by the key they rotated to, and say by which we know them", () => {
    const rotated = sealKeepsake(
      owner,
      { ...longest, presentKey: ann!.key },
      { madeMs: 5, towers, next: undefined },
      systemRandom,
    )
    expect(openKeepsake(owner, ann!.key, rotated)).toMatchObject({ key: bob!.key })
    expect(code(() => openKeepsake(owner, bob!.key, rotated))).toBe("BAD_BACKUP")
  })

  it("answer any bytes with BAD_BACKUP", () => {
    const any = fc.oneof(
      fc.uint8Array({ minLength: KEEPSAKE_BYTES, maxLength: KEEPSAKE_BYTES }),
      fc.uint8Array({ maxLength: 50 }),
    )
    fc.assert(
      fc.property(any, (one) => code(() => openKeepsake(owner, bob!.key, one)) === "BAD_BACKUP"),
      { numRuns: fuzzRuns(100) },
    )
  })
})
