import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import type { TunnelKind } from "../../../src/router/tunnel.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { httpServer } from "../../../tunnels/http-server/index.ts"
import { ircClient } from "../../../tunnels/irc-client/index.ts"
import { ircServer } from "../../../tunnels/irc-server/index.ts"
import { socks } from "../../../tunnels/socks/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import { udpClient } from "../../../tunnels/udp-client/index.ts"
import { udpServer } from "../../../tunnels/udp-server/index.ts"
import { projectRoot } from "../../support/project.ts"

const page = readFileSync(join(projectRoot, "docs/reference/tunnels.md"), "utf8")
const kinds = [
  httpProxy,
  httpServer,
  ircClient,
  ircServer,
  socks,
  tcpClient,
  tcpServer,
  udpClient,
  udpServer,
] as unknown as TunnelKind[]

interface Property {
  description?: string
  default?: unknown
}

/** Options of a kind as the command line shows them: flag, default, description. */
function rowsOf(kind: TunnelKind): string[][] {
  const { properties = {}, required = [] } = z.toJSONSchema(kind.options, { io: "input" })
  return Object.entries(properties as Record<string, Property>).map(([name, property]) => [
    `\`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\``,
    required.includes(name) ? "required" : shown(property.default),
    property.description ?? "(no description)",
  ])
}

function shown(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "none"
  if (Array.isArray(value)) return `\`${value.join(" ")}\``
  if (value === false) return "no"
  return typeof value === "number" ? value.toLocaleString("en") : `\`${value}\``
}

describe("docs/reference/tunnels.md", () => {
  it.each(kinds.map((kind) => [kind.kind, kind] as const))(
    "lists every option of %s",
    (name, kind) => {
      const [, section = ""] = page.split(`\n## ${name}\n`)
      const lines = section.split("\n## ")[0]!.split("\n")
      for (const [flag, value] of rowsOf(kind))
        expect(lines.filter((line) => line.startsWith(`| ${flag} | ${value} |`))).toHaveLength(1)
    },
  )

  it.each(kinds.map((kind) => [kind.kind, kind] as const))(
    "%s explains every option in --help",
    (_name, kind) => {
      expect(
        rowsOf(kind).filter(([, , description]) => description === "(no description)"),
      ).toEqual([])
    },
  )
})
