import { describe, expect, it } from "vitest"
import { quarantine } from "../../../../../plugins/files/disk/quarantine.ts"

/** A system that notes what it is asked for, and keeps no mark where `isPoor`. */
function system(platform: NodeJS.Platform, isPoor = false) {
  const asked: unknown[][] = []
  const ask = async (...words: unknown[]) => {
    asked.push(words)
    if (isPoor) throw new Error("not here")
  }
  return { asked, tools: { platform, write: ask, run: ask, now: () => 0x5f00_0000 * 1_000 } }
}

describe("quarantine()", () => {
  it("writes the stream that Windows looks at", async () => {
    const { asked, tools } = system("win32")
    expect(await quarantine(["C:\\a.exe"], tools)).toBe(0)
    expect(asked).toEqual([["C:\\a.exe:Zone.Identifier", "[ZoneTransfer]\r\nZoneId=3\r\n"]])
  })

  it("sets the attribute of macOS, for many files at once", async () => {
    const { asked, tools } = system("darwin")
    const paths = Array.from({ length: 250 }, (_, file) => `/d/${file}`)
    expect(await quarantine(paths, tools)).toBe(0)
    expect(asked).toHaveLength(3)
    expect(asked[0]).toEqual([
      "/usr/bin/xattr",
      ["-w", "com.apple.quarantine", "0081;5f000000;Allium;", ...paths.slice(0, 100)],
    ])
    expect((asked[2] as [string, string[]])[1].slice(3)).toEqual(paths.slice(200))
  })

  it("does nothing on Linux", async () => {
    const { asked, tools } = system("linux")
    expect([await quarantine(["/a"], tools), asked]).toEqual([0, []])
  })

  it.each(["win32", "darwin"] as const)(
    "leaves a file as it is where %s cannot mark it",
    async (platform) => {
      expect(await quarantine(["/a"], system(platform, true).tools)).toBe(1)
    },
  )
})
