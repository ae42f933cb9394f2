import { describe, expect, it } from "vitest"
import { findPaths } from "../../../src/cli/paths.ts"

const at = (env: Record<string, string>, home?: string) =>
  findPaths({ env, home, cwd: "/work dir", userFolder: "/home/ann" })

describe("findPaths()", () => {
  it.each([
    [
      "the usual home",
      {},
      undefined,
      "/home/ann/.local/share/allium",
      "/home/ann/.local/share/allium/run/api.sock",
    ],
    [
      "XDG folders",
      { XDG_DATA_HOME: "/data", XDG_RUNTIME_DIR: "/run/user/7" },
      undefined,
      "/data/allium",
      "/data/allium/run/api.sock",
    ],
    [
      "relative XDG folders",
      { XDG_DATA_HOME: "data", XDG_RUNTIME_DIR: "run" },
      undefined,
      "/home/ann/.local/share/allium",
      "/home/ann/.local/share/allium/run/api.sock",
    ],
    [
      "ALLIUM_HOME",
      { ALLIUM_HOME: "/b", XDG_DATA_HOME: "/data" },
      undefined,
      "/b",
      "/b/run/api.sock",
    ],
    ["--home before ALLIUM_HOME", { ALLIUM_HOME: "/b" }, "/a", "/a", "/a/run/api.sock"],
    ["a relative --home", {}, "a", "/work dir/a", "/work dir/a/run/api.sock"],
    [
      "another home beside a runtime folder",
      { XDG_RUNTIME_DIR: "/run/user/7" },
      "/a",
      "/a",
      "/a/run/api.sock",
    ],
    [
      "the usual home by name",
      { XDG_RUNTIME_DIR: "/run/user/7" },
      "/home/ann/.local/share/allium",
      "/home/ann/.local/share/allium",
      "/home/ann/.local/share/allium/run/api.sock",
    ],
    [
      "an empty --home",
      {},
      "",
      "/home/ann/.local/share/allium",
      "/home/ann/.local/share/allium/run/api.sock",
    ],
  ])("finds %s", (_, env, given, home, socket) => {
    expect(at(env, given)).toEqual({ home, socket, token: `${home}/api-token` })
  })
})
