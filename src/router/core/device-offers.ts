/**
 * `allium identity link`, `join`, `devices` and `unlink`: one identity on several devices.
 *
 * @module
 */
import { z } from "zod"
import { contactQr } from "../../identity/contact-uri.ts"
import type { IdentityBook } from "../../identity/identity.ts"
import type { DeviceDesk } from "../device-desk.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"

const nameField = z.string().min(1).max(64).meta({ description: "Seen by nobody but you" })
const deviceShape = z.object({
  device: z.number(),
  address: z.string(),
  here: z.boolean(),
  reachable: z.boolean(),
})

const link = offer({
  verb: "identity link",
  summary: "Show a code with which another device of yours becomes this identity, too",
  input: z.object({ name: nameField.optional() }),
  output: z.object({
    identity: z.string(),
    code: z.string(),
    goodForS: z.number(),
    qr: z.string(),
  }),
  positional: ["name"],
  examples: ["identity link", "identity link work"],
  display: {
    line: "{code}\n{qr|lines}\nOn the other device, within {goodForS} s: allium identity join\nWho has this code becomes {identity}: it reads and writes all of its mail. Show it to nobody.",
  },
})

const join = offer({
  verb: "identity join",
  summary: "Become another device of an identity, with the code its first device shows",
  input: z.object({
    code: z.string().max(512).meta({ kind: "secret", description: "What identity link shows" }),
    name: nameField.optional(),
  }),
  output: z.object({
    name: z.string(),
    address: z.string(),
    key: z.string(),
    device: z.number(),
    contacts: z.number(),
  }),
  examples: ["identity join", "identity join --name work"],
  display: {
    line: "This is device {device} of {name}, with {contacts} contacts. Its words stay on the first device.",
  },
})

const devices = offer({
  verb: "identity devices",
  summary: "List the devices of an identity",
  input: z.object({ name: nameField.optional() }),
  output: z.array(deviceShape),
  positional: ["name"],
  display: { columns: ["device", "address", "here", "reachable"] },
})

const unlink = offer({
  verb: "identity unlink",
  summary: "Send nothing more to a device, and have contacts do the same",
  input: z.object({
    device: z.coerce.number().int().min(1).max(255).meta({ description: "Its number" }),
    name: nameField.optional(),
  }),
  output: z.object({ identity: z.string(), device: z.number() }),
  positional: ["device", "name"],
  examples: ["identity unlink 1"],
  display: { line: "Device {device} gets nothing more. It keeps what it has, the keys too." },
})

/** Every offer of this file. */
export const deviceOffers: readonly Offer[] = [link, join, devices, unlink]

/** Gives the offers their runners. */
export function answerDeviceOffers(
  book: OfferBook,
  { identities, desk }: { identities: IdentityBook; desk: DeviceDesk },
): void {
  book.register(link, async ({ name }) => {
    const identity = identities.find(name)
    const { code, goodForMs } = desk.link(identity)
    return { identity: identity.name, code, goodForS: goodForMs / 1_000, qr: contactQr(code) }
  })
  book.register(join, async ({ code, name }, call) => {
    const identity = await desk.join(code, name, call)
    const contacts = identities.contacts(identity).list().length
    const { key, destination, device } = identity
    return { name: identity.name, address: destination.b32, key, device, contacts }
  })
  book.register(devices, async ({ name }) =>
    desk.list(identities.find(name)).map(({ number, address, isThis, isReachable }) => ({
      ...{ device: number, address, here: isThis, reachable: isReachable },
    })),
  )
  book.register(unlink, async ({ device, name }) => {
    const identity = identities.find(name)
    await desk.unlink(identity, device)
    return { identity: identity.name, device }
  })
}
