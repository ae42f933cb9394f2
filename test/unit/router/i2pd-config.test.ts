import { describe, expect, it } from "vitest"
import { formatI2pdConfig } from "../../../src/router/i2pd-config.ts"

/** Sections of an ini file: `section.key` to value. */
function parse(text: string): Map<string, string> {
  const values = new Map<string, string>()
  let section = ""
  for (const line of text.split("\n")) {
    section = /^\[(.*)\]$/.exec(line)?.[1] ?? section
    const [key, value] = line.split(" = ", 2)
    if (value !== undefined) values.set(section === "" ? key! : `${section}.${key}`, value)
  }
  return values
}

describe("formatI2pdConfig()", () => {
  const config = parse(formatI2pdConfig(17_001, "netid = 77"))

  it("lets nothing listen but SAM on loopback", () => {
    expect(config.get("sam.address")).toBe("127.0.0.1")
    expect(config.get("sam.port")).toBe("17001")
    for (const listener of ["http", "httpproxy", "socksproxy", "bob", "i2cp", "i2pcontrol", "upnp"])
      expect([listener, config.get(`${listener}.enabled`)]).toEqual([listener, "false"])
  })

  it("keeps the address book on, which i2pd 2.45.1 needs, and off the disk", () => {
    expect(config.get("addressbook.enabled")).toBe("true")
    expect(config.get("persist.addressbook")).toBe("false")
    expect(config.get("log")).toBe("none")
  })

  it("puts the user's own lines outside every section", () => {
    expect(config.get("netid")).toBe("77")
  })
})
