/** The twenty traps of real routers, and where each is held. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectRoot } from "../../support/project.ts"

/** What the client must do, and the words of the test that shows it. */
const HELD_HERE: readonly (readonly [trap: string, file: string, test: string])[] = [
  ["T2 SESSION CREATE takes 20 to 40 s", "supervised-session", "T2: waits for minutes"],
  ["T3 too few tunnels: unreachable", "supervised-session", '"inbound.quantity": "3"'],
  ["T4 same keys too soon: a zombie", "supervised-session", "T4: comes back with the same keys"],
  ["T4 a zombie somebody else caused", "supervised-session", "a zombie (T4"],
  ["T5 two sessions with one key", "supervised-session", "two sessions with one key (T5)"],
  ["T7 OK is not connected", "supervised-session", "T7: takes OK for no more"],
  ["T10 no half-close", "stream", "T10: knows no half-close"],
  ["T11 PING kills the session", "conversation", "T11: answers PING"],
  ["T12 lines over 8,191 bytes", "message", "refuses a line over 7,500 bytes"],
  ["T13 one ACCEPT pending", "supervised-session", "T13: has exactly one ACCEPT pending"],
  ["T14 no pipelining", "conversation", "T14: keeps one command in flight"],
  ["T15 nothing behind CONNECT", "stream", "T15: writes nothing behind CONNECT"],
  ["T16 quotes are cut", "message", "a space (T16)"],
  ["T17 a dead router keeps its sockets", "supervised-session", "T17: finds a dead router"],
  ["T18 unknown signature types", "private-keys", "an unknown signature type (T18)"],
  ["T18 keys made by routers", "subsession", "whatever the router would make (T18)"],
  ["T19 SESSION ADD without FROM_PORT", "subsession", "T19: always sends FROM_PORT"],
  ["T20 base64 without padding", "destination", "without its padding (T20)"],
]

/**
 * Not the SAM client's: T1 (address book) and the other half of T17 (SIGTERM) belong to the private
 * network in `test/support/testnet`; T6 (dial contacts after a restart), T8 (lost tail) and T9 (no
 * back-pressure to the peer) to `src/link` and `src/router`.
 */
const HELD_ELSEWHERE = ["T1", "T6", "T8", "T9"]

describe("every trap", () => {
  it.each(HELD_HERE)("%s is held in %s.test.ts", (_, file, words) => {
    const path = join(projectRoot, "test", "unit", "sam", `${file}.test.ts`)
    expect(readFileSync(path, "utf8")).toContain(words)
  })
  it("is in the list", () => {
    const listed = new Set([...HELD_HERE.map(([trap]) => trap.split(" ")[0]), ...HELD_ELSEWHERE])
    expect(listed).toEqual(new Set(Array.from({ length: 20 }, (_, at) => `T${at + 1}`)))
  })
})

describe("what src/sam never does", () => {
  const folder = join(projectRoot, "src", "sam")
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"))
  it.each([
    ["send PING", /formatPing\("PING"/],
    ["ask for a signature type other than 7", /\["SIGNATURE_TYPE", "(?!7"\])/],
    ["let the router make a session's keys", /"TRANSIENT"/],
    ["use SILENT streams, which hide errors", /SILENT", "true"/],
  ])("%s", (_, pattern) => {
    for (const source of sources) expect(source).not.toMatch(pattern)
  })
})
