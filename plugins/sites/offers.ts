/**
 * What the plugin offers: `site serve`, `expose`, `list` and `remove`.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { accessShape, backendShape } from "./site-record.ts"

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 of a-z, 0-9 and dashes")

const siteShape = z.object({
  name,
  /** 60 characters: 52 of base32, then `.b32.i2p`. */
  address: z.string(),
  url: z.string(),
  /** Of its session: `opening`, `up`, `down`, `closed`; or `failed`. */
  state: z.string(),
  /** The folder, or the address of the program. */
  shows: z.string(),
  /** Why it failed. */
  reason: z.string().optional(),
  streams: z.number(),
  requests: z.number(),
})

/** A site as people see it. */
export type SiteReport = z.output<typeof siteShape>

const siteDisplay = { line: "Site {name} stands at {url} ({state}), and shows {shows}." }

export const siteServe = offer({
  verb: "site serve",
  summary: "Serve a folder as an I2P site",
  positional: ["folder"],
  examples: ["site serve ./public", "site serve ~/photos --name photos --list"],
  input: z.object({
    folder: z.string().min(1).meta({ kind: "path", description: "Folder to serve" }),
    name: name.optional().meta({ description: "Name of the site; the folder's, unless given" }),
    list: z
      .boolean()
      .default(false)
      .meta({ description: "Show what is in folders that have no index.html" }),
    ...accessShape.shape,
  }),
  output: siteShape,
  display: siteDisplay,
})

export const siteExpose = offer({
  verb: "site expose",
  summary: "Make a web server of this machine an I2P site",
  positional: ["target"],
  examples: ["site expose 127.0.0.1:8080", "site expose 3000 --name wiki --host wiki.localhost"],
  input: z.object({
    target: z.string().min(1).meta({ description: "PORT, HOST:PORT or unix:PATH of the server" }),
    name: name.optional().meta({ description: "Name of the site; from the port, unless given" }),
    ...backendShape.shape,
    ...accessShape.shape,
  }),
  output: siteShape,
  display: siteDisplay,
})

export const siteList = offer({
  verb: "site list",
  summary: "List the sites of this router",
  examples: ["site list"],
  input: z.object({}),
  output: z.array(siteShape),
  display: {
    columns: ["name", "state", "url", "shows", "requests"],
    empty: "No sites yet. Make one: allium site serve FOLDER",
  },
})

export const siteRemove = offer({
  verb: "site remove",
  summary: "Close a site for good; its address never comes back",
  positional: ["name"],
  examples: ["site remove photos"],
  input: z.object({ name }),
  output: z.object({ name, address: z.string() }),
  display: { line: "Removed {name} ({address})." },
})
