import { describe, expect, it } from "vitest"
import { entityTag, namesTag } from "../../../../plugins/sites/entity-tag.ts"
import { mediaType } from "../../../../plugins/sites/media-type.ts"

const state = { path: "/a", byteCount: 5, changedNs: 1_700_000_000_000_000_000n }
const key = Buffer.alloc(32, 1)

describe("entityTag()", () => {
  it("changes with each part of the state, and with the site's key", () => {
    const tags = [
      entityTag(key, state),
      entityTag(key, { ...state, path: "/b" }),
      entityTag(key, { ...state, byteCount: 6 }),
      entityTag(key, { ...state, changedNs: 1n }),
      entityTag(Buffer.alloc(32, 2), state),
    ]
    expect(new Set(tags).size).toBe(5)
    expect(entityTag(key, { ...state })).toBe(tags[0])
    expect(tags[0]).toMatch(/^"[\w-]{22}"$/)
  })
})

describe("namesTag()", () => {
  it.each([
    ['"x"', true],
    ['W/"x"', true],
    ['"a", "x"', true],
    ["*", true],
    ['"y"', false],
    ["x", false],
    ["", false],
  ])("of %s is %s", (field, names) => {
    expect(namesTag(field, '"x"')).toBe(names)
  })
})

describe("mediaType()", () => {
  it.each([
    ["a.HTML", "text/html; charset=utf-8"],
    ["a.tar.gz", "application/gzip"],
    ["a.svg", "image/svg+xml; charset=utf-8"],
    ["noending", "application/octet-stream"],
    ["a.constructor", "application/octet-stream"],
    ["a.__proto__", "application/octet-stream"],
  ])("of %s is %s", (name, type) => {
    expect(mediaType(name)).toBe(type)
  })
})
