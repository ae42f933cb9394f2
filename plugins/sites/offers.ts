/**
 * What the plugin offers: sites are made, listed, stopped, started and removed.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { accessShape, backendShape } from "./site-record.ts"

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 of a-z, 0-9 and dashes")

/** Who could not be sent their link, and why. */
const untoldShape = z.object({ guest: z.string(), code: z.string() })

const linkShape = z.object({ guest: z.string(), link: z.string() })

const siteShape = z.object({
  name,
  /** 60 characters: 52 of base32, then `.b32.i2p`. Of an encrypted site 64: its blinded key (b33). */
  address: z.string(),
  url: z.string(),
  /** Of its session: `opening`, `up`, `down`, `closed`; or `waiting`, `stopped`, `failed`. */
  state: z.string(),
  /** The folder, the files, or the address of the program. */
  shows: z.string(),
  /** Why it failed. */
  reason: z.string().optional(),
  streams: z.number(),
  requests: z.number(),
  /** Of a share: whole downloads of all files together. */
  downloads: z.number().optional(),
  /** Of a private site: a link for each guest, a secret of theirs. */
  links: z.array(linkShape).optional(),
  /** Contacts whose link could not be sent; it can be sent again with `site invite`. */
  untold: z.array(untoldShape).optional(),
  /** The same as a sentence. */
  warning: z.string().optional(),
  /** Milliseconds since 1970. */
  opensAt: z.number().optional(),
  closesAt: z.number().optional(),
  /** The address, or the first link, as a QR code. */
  qr: z.string().optional(),
})

/** A site as people see it. */
export type SiteReport = z.output<typeof siteShape>

const siteDisplay = {
  line: "Site {name} stands at {url} ({state}), and shows {shows}.\n{warning}\n{closesAt|time}\n{qr|lines}",
}

const time = z.string().min(1).max(64)

/** What every kind of site may be told. */
const common = {
  name: name.optional().meta({ description: "Name of the site; from what it shows, unless given" }),
  private: z
    .boolean()
    .default(false)
    .meta({ description: "Only who has the link comes in; it is shown in place of the address" }),
  encrypted: z.boolean().default(false).meta({
    description:
      "Only who has a link finds it in the network at all; private too. Needs i2pd on both sides",
  }),
  for: z.array(z.string().min(1)).max(256).default([]).meta({
    description: "Contacts who get a link of their own in a message; the site is private then",
  }),
  contacts: z
    .boolean()
    .default(false)
    .meta({ description: "The same for every contact of the identity" }),
  identity: z
    .string()
    .optional()
    .meta({ description: "Whose contacts; the first identity, unless given" }),
  opens: time.optional().meta({ description: "When it opens: 30m, 24h, 7d, 2026-12-24T18:00" }),
  closes: time.optional().meta({ description: "When it closes, written the same way" }),
  qr: z.boolean().default(false).meta({ description: "Draw the address as a QR code too" }),
  ...accessShape.shape,
}

const commonShape = z.object(common)

/** {@linkcode common} after it was checked. */
export type CommonChoice = z.output<typeof commonShape>

export const siteServe = offer({
  verb: "site serve",
  summary: "Serve a folder as an I2P site",
  positional: ["folder"],
  examples: [
    "site serve ./public",
    "site serve ~/photos --name photos --list --for ann --closes 7d",
  ],
  input: z.object({
    folder: z.string().min(1).meta({ kind: "path", description: "Folder to serve" }),
    list: z
      .boolean()
      .default(false)
      .meta({ description: "Show what is in folders that have no index.html" }),
    csp: z
      .string()
      .regex(/^[\x20-\x7e]{1,2048}$/, "expected one line of plain characters")
      .optional()
      .meta({ description: "Content-Security-Policy instead of ours; off for none" }),
    ...common,
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
    ...backendShape.shape,
    ...common,
  }),
  output: siteShape,
  display: siteDisplay,
})

export const siteShare = offer({
  verb: "site share",
  summary: "Give files away on an I2P site",
  positional: ["files"],
  examples: ["site share film.mkv", "site share a.pdf b.pdf --downloads 1 --private --closes 24h"],
  input: z.object({
    files: z
      .array(z.string().min(1))
      .min(1)
      .max(1_000)
      .meta({ kind: "path", description: "Files to give" }),
    downloads: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({ description: "Give each file so often, counted when it was downloaded whole" }),
    ...common,
  }),
  output: siteShape,
  display: siteDisplay,
})

const mebibytes = z.number().int().min(1).max(1_048_576)

export const siteReceive = offer({
  verb: "site receive",
  summary: "Let people drop files and texts into a folder",
  positional: ["folder"],
  examples: ["site receive ./inbox", "site receive ./inbox --private --room-mib 1024 --qr"],
  input: z.object({
    folder: z.string().min(1).meta({ kind: "path", description: "Folder they arrive in" }),
    title: z
      .string()
      .min(1)
      .max(128)
      .default("Drop something here")
      .meta({ description: "Title of the page" }),
    fileMib: mebibytes.default(1_024).meta({ description: "Largest file, in MiB" }),
    roomMib: mebibytes
      .default(4_096)
      .meta({ description: "What the folder may hold in all, in MiB; more is refused" }),
    ...common,
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
    columns: ["name", "state", "url", "shows", "requests", "downloads", "closesAt|time"],
    empty: "No sites yet. Make one: allium site serve FOLDER",
  },
})

export const siteShow = offer({
  verb: "site show",
  summary: "Show one site, its links and its QR code",
  positional: ["name"],
  examples: ["site show photos"],
  input: z.object({ name }),
  output: siteShape,
  display: { line: "Site {name} stands at {url} ({state}), and shows {shows}.\n{qr|lines}" },
})

export const siteStop = offer({
  verb: "site stop",
  summary: "Close a site until it is started again",
  positional: ["name"],
  examples: ["site stop photos"],
  input: z.object({ name }),
  output: siteShape,
  display: { line: "Stopped {name}." },
})

export const siteStart = offer({
  verb: "site start",
  summary: "Open a site again that was stopped, or whose time was over",
  positional: ["name"],
  examples: ["site start photos", "site start photos --closes 24h"],
  input: z.object({
    name,
    closes: time.optional().meta({ description: "When it closes; never, unless given" }),
  }),
  output: siteShape,
  display: siteDisplay,
})

export const siteInvite = offer({
  verb: "site invite",
  summary: "Give a contact a link of their own to a private site, in a message",
  positional: ["name", "guest"],
  examples: ["site invite photos ann", "site invite photos grandma --link"],
  input: z.object({
    name,
    guest: z
      .string()
      .min(1)
      .max(128)
      .meta({ description: "Contact to invite; invited again, they are sent the same link" }),
    link: z
      .boolean()
      .default(false)
      .meta({ description: "Only make a link, for somebody who is no contact" }),
    identity: common.identity,
  }),
  output: z.object({
    name,
    guest: z.string(),
    link: z.string(),
    sent: z.boolean(),
    code: z.string().optional(),
    note: z.string().optional(),
  }),
  display: { line: "{guest} comes into {name} by {link}\n{note}" },
})

export const siteUninvite = offer({
  verb: "site uninvite",
  summary: "Withdraw the link of one guest; the others keep theirs",
  positional: ["name", "guest"],
  examples: ["site uninvite photos ann", "site uninvite photos anybody"],
  input: z.object({
    name,
    guest: z
      .string()
      .min(1)
      .max(128)
      .meta({ description: "As in site show, or the contact's name" }),
    identity: common.identity,
  }),
  output: z.object({ name, guest: z.string(), guests: z.number() }),
  display: { line: "{guest} does not come into {name} any more; {guests} other guests do." },
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
