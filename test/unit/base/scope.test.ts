import { describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"

describe("Scope", () => {
  it("releases newest first, after its signal aborted", async () => {
    const scope = new Scope()
    const seen: string[] = []
    scope.defer(() => seen.push(`old ${scope.signal.aborted}`))
    scope.defer(() => seen.push(`new ${scope.signal.aborted}`))
    await scope.close()
    expect(seen).toEqual(["new true", "old true"])
  })

  it("closes once, however often it is asked", async () => {
    const scope = new Scope()
    let count = 0
    scope.defer(() => count++)
    await Promise.all([scope.close(), scope.close(), scope[Symbol.asyncDispose]()])
    expect(count).toBe(1)
  })

  it("runs every release and gathers what failed", async () => {
    const scope = new Scope()
    const seen: string[] = []
    scope.defer(() => seen.push("oldest"))
    scope.defer(() => {
      throw new Error("middle")
    })
    scope.defer(() => Promise.reject(new Error("newest")))
    await expect(scope.close()).rejects.toMatchObject({
      errors: [new Error("newest"), new Error("middle")],
    })
    expect(seen).toEqual(["oldest"])
  })

  it("hands everything over with move(), the signal included", async () => {
    const seen: string[] = []
    const opening = new Scope()
    opening.defer(() => seen.push("released"))
    const { signal } = opening
    const owner = opening.move()
    await opening.close()
    expect({ seen: [...seen], aborted: signal.aborted }).toEqual({ seen: [], aborted: false })
    await owner.close()
    expect({ seen, aborted: signal.aborted }).toEqual({ seen: ["released"], aborted: true })
  })

  it("releases at once what comes after the end", async () => {
    const scope = new Scope()
    await scope.close()
    const late = new Promise<string>((resolve) => scope.defer(() => resolve("released")))
    await expect(late).resolves.toBe("released")
  })
})
