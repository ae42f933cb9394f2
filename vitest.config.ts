import { defineConfig } from "vitest/config"

/** Import conditions that make `allium/plugin` mean `src/plugin.ts`: no build is needed before a test. */
const conditions = ["source"]
const resolve = { conditions }
const ssr = { resolve: { conditions, externalConditions: conditions } }

/** Contracts of whole routers: they wait for back-offs, as stories do. */
const WHOLE_ROUTERS = "test/contract/router/{devices,door,homecoming,mail,restore,rotate}.test.ts"

/** A machine may be slow, and busy with other tests: what is polled for has this long to come. */
const expectations = { poll: { timeout: 10_000 } }

/** Stories start the program as its user does. */
const BUILT_PROGRAM = "test/support/built-program.ts"

export default defineConfig({
  resolve,
  ssr,
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "fast",
          include: ["test/*.test.ts", "test/unit/**/*.test.ts", "test/contract/**/*.test.ts"],
          exclude: ["test/contract/**/*.live.test.ts", WHOLE_ROUTERS],
          isolate: false,
          maxWorkers: 2,
          expect: expectations,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "scenario",
          include: ["test/scenario/**/*.test.ts", WHOLE_ROUTERS],
          globalSetup: BUILT_PROGRAM,
          // Stories wait more than they work: for back-offs, silences and restarts.
          maxWorkers: 3,
          // They start whole routers, at times on a machine that does other work: what fails twice has failed.
          retry: 1,
          expect: expectations,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts", "test/contract/**/*.live.test.ts"],
          globalSetup: BUILT_PROGRAM,
          pool: "forks",
          // A tunnel may be built over a router that was just killed; a second try builds others.
          retry: 1,
          testTimeout: 1_800_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
})
