import { describe, expect, it } from "vitest"
import type { Survey } from "../../../../../plugins/files/disk/survey.ts"
import { Catalogue, foldWord, pageOf } from "../../../../../plugins/files/library/catalogue.ts"

function survey(paths: readonly string[]): Survey {
  const files = paths.map((path) => ({
    ...{ path: `/home/ann/Trips/${path}`, names: path.split("/"), size: 10, modifiedMs: 0 },
  }))
  return { name: "Trips", isFolder: true, files, leftOut: 0 }
}
const paths = ["2026/Lake/a.jpg", "2026/Lake/b.jpg", "2026/c.txt", "Größe.txt"]
const trips = new Catalogue("Trips", survey(paths))
const pathsOf = (items: readonly { path: string }[]) => items.map(({ path }) => path)

describe("Catalogue", () => {
  it("knows each folder with all that is in it, and where it really is", () => {
    expect(trips.find("Trips")).toMatchObject({ size: 40, fileCount: 4, real: "/home/ann/Trips" })
    expect(trips.find("Trips/2026/Lake")).toEqual({
      ...{ path: "Trips/2026/Lake", isFolder: true, size: 20, fileCount: 2 },
      real: "/home/ann/Trips/2026/Lake",
    })
    expect(trips.find("Trips/2025")).toBeUndefined()
  })
  it("lists what stands in a folder itself", () => {
    expect(pathsOf(trips.within("Trips"))).toEqual(["Trips/2026", "Trips/Größe.txt"])
    expect(trips.within("Trips/Größe.txt")).toEqual([])
  })
  it("finds the topmost things that have all the words, in any case and form", () => {
    const search = (...words: string[]) => pathsOf(trips.search(words.map(foldWord)))
    expect(search("trips")).toEqual(["Trips"])
    expect(search("lake", "2026")).toEqual(["Trips/2026/Lake"])
    expect(search("LAKE", "B.")).toEqual(["Trips/2026/Lake/b.jpg"])
    expect(search("gro\u0308ße")).toEqual(["Trips/Größe.txt"])
    expect(search("lake", "c.txt")).toEqual([])
  })
  it("is a single file when it is one, by the name it was given", () => {
    const file = { path: "/x/film.mkv", names: ["film.mkv"], size: 5, modifiedMs: 0 }
    const one = new Catalogue("Film", {
      name: "film.mkv",
      isFolder: false,
      files: [file],
      leftOut: 0,
    })
    expect(one.items).toEqual([
      { path: "Film", isFolder: false, size: 5, fileCount: 1, real: "/x/film.mkv" },
    ])
  })
})

describe("pageOf()", () => {
  it("cuts pages that fit a record, and together they are all", () => {
    const names = Array.from({ length: 250 }, (_, index) => `${index}${"ß".repeat(90)}`)
    const { items } = new Catalogue("All", survey(names))
    const seen: string[] = []
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page = pageOf(items, after)
      expect(page.listed.length).toBeLessThanOrEqual(100)
      expect(page.listed[0]).not.toHaveProperty("real")
      seen.push(...pathsOf(page.listed))
      after = page.next
    }
    expect(seen).toEqual(pathsOf(items))
    expect(pageOf(items, 1_000)).toEqual({ listed: [] })
  })
})
