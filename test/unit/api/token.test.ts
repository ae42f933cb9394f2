import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openToken, TokenGuard } from "../../../src/api/token.ts"

function openGuard() {
  let nowMs = 0
  const guard = new TokenGuard("right", { monotonicMs: () => nowMs })
  const ask = (header?: string) => {
    try {
      guard.check(header)
      return "in"
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { ask, pass }
}

describe("TokenGuard.check()", () => {
  it.each([
    ["Bearer right", "in"],
    ["bearer right", "in"],
    ["Bearer right ", "UNAUTHORIZED"],
    ["Bearer righ", "UNAUTHORIZED"],
    ["Bearer ", "UNAUTHORIZED"],
    ["Basic right", "UNAUTHORIZED"],
    ["right", "UNAUTHORIZED"],
    ["", "UNAUTHORIZED"],
    [undefined, "UNAUTHORIZED"],
  ])("answers %j with %s", (header, outcome) => {
    expect(openGuard().ask(header)).toBe(outcome)
  })

  it("closes for longer and longer after ten wrong tokens, for the right one too", () => {
    const { ask, pass } = openGuard()
    for (let n = 0; n < 10; n++) expect(ask("Bearer wrong")).toBe("UNAUTHORIZED")
    expect(ask("Bearer right")).toBe("TOO_MANY_ATTEMPTS")
    pass(1_000)
    expect(ask("Bearer wrong")).toBe("UNAUTHORIZED")
    pass(1_999)
    expect(ask("Bearer right")).toBe("TOO_MANY_ATTEMPTS")
    pass(1)
    expect(ask("Bearer right")).toBe("in")
  })

  it("lets at most one guess a minute through in the end, and opens again", () => {
    const { ask, pass } = openGuard()
    for (let n = 0; n < 100; n++) {
      ask("Bearer wrong")
      pass(60_000)
    }
    expect(ask("Bearer wrong")).toBe("UNAUTHORIZED")
    pass(59_999)
    expect(ask("Bearer right")).toBe("TOO_MANY_ATTEMPTS")
    pass(1)
    expect(ask("Bearer right")).toBe("in")
    expect(ask("Bearer wrong")).toBe("UNAUTHORIZED")
    expect(ask("Bearer right")).toBe("in")
  })
})

describe("openToken()", () => {
  it("makes a token once, keeps it to the owner, and replaces a damaged one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "allium-token-"))
    const path = join(folder, "token")
    let fill = 0
    const random = (byteCount: number) => new Uint8Array(byteCount).fill(++fill)
    const first = await openToken(path, random)
    expect(first).toBe(Buffer.alloc(32, 1).toString("base64url"))
    expect(await openToken(path, random)).toBe(first)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await writeFile(path, "short")
    expect(await openToken(path, random)).toBe(Buffer.alloc(32, 2).toString("base64url"))
    expect(await readFile(path, "utf8")).toHaveLength(44)
    await rm(folder, { recursive: true })
  })
})
