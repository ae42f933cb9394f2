import { beforeEach, describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { makeDeviceList, readDeviceList } from "../../../src/identity/device-list.ts"
import type { Identity, IdentityBook } from "../../../src/identity/identity.ts"
import { keyFromText } from "../../../src/identity/keys.ts"
import { makeRotation, readRotations } from "../../../src/identity/rotation.ts"
import type { Reception } from "../../../src/mail/post/post.ts"
import { DeviceBook } from "../../../src/router/device-book.ts"
import { formatDeviceCode, parseDeviceCode } from "../../../src/router/device-code.ts"
import {
  type DeviceDesk,
  type DeviceDeskOptions,
  openDeviceDesk,
} from "../../../src/router/device-desk.ts"
import { packDeviceLetter } from "../../../src/router/device-letters.ts"
import { askToJoin, type Handover } from "../../../src/router/device-wire.ts"
import type { ChannelHandler } from "../../../src/router/identity-links.ts"
import type { ArrivedLetter } from "../../../src/router/plugin.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { openHome } from "../identity/home.ts"
import { signerOf } from "../identity/signer.ts"

const MINUTE_MS = 60_000
const at = (letter: string) => `${letter.repeat(51)}a.b32.i2p`
const bob = signerOf(new Uint8Array(32).fill(2))
const caller = signerOf(new Uint8Array(32).fill(3))

describe("DeviceDesk", () => {
  let clock: FakeClock
  let identities: IdentityBook
  let ann: Identity
  let own: DeviceBook
  let desk: DeviceDesk
  let handler: ChannelHandler
  let receive: (letter: ArrivedLetter) => Promise<Reception>

  beforeEach(async () => {
    const { book, store } = await openHome()
    identities = book
    clock = new FakeClock()
    ann = await book.create("ann")
    own = new DeviceBook(store.room("devices"))
    await own.load()
    const unused = () => {
      throw new Error("Not in this test")
    }
    const options = {
      ...{ identities, own, clock, random: systemRandom, chance: () => 0, log: silentLog },
      links: {
        serveAnyone: (_: string, handle: ChannelHandler) => {
          handler = handle
          return () => {}
        },
        serveOwn: () => () => {},
        onPeer: () => () => {},
        onContactChanged: () => () => {},
        contactChanged: () => {},
        devicesChanged: () => {},
        reachable: () => [],
      },
      sessions: { openOwn: unused },
      post: {
        ...{ tellOwn: async () => {}, devicesChanged: async () => {}, open: async () => {} },
        reach: () => "reachable" as const,
      },
      letters: {
        send: async () => {},
        receive: (taken: typeof receive) => {
          receive = taken
        },
      },
      ...{ desk: unused, onNew: async () => {}, emit: () => {}, store: store.room("desk") },
      parts: { save: async () => ({}), load: async () => {} },
    } as unknown as DeviceDeskOptions
    desk = await openDeviceDesk(options)
  })

  /** Asks as a new device does. */
  async function join(code: string, callerKey = caller.publicKey): Promise<Handover> {
    const { secret, key } = parseDeviceCode(code)
    const [ours, theirs] = joinChannels("/device/1", new FakeWorld())
    for (const side of [ours, theirs]) side.on("error", () => {})
    const { ask, open } = askToJoin(
      { secret, callerKey, identityKey: keyFromText(key) },
      systemRandom,
    )
    const peer = { peerKey: caller.key, peerAddress: at("c"), contact: undefined }
    const answered = handler({ identity: ann, ...peer, channel: theirs })
    ours.end(ask)
    const chunks: Uint8Array[] = []
    const read = (async () => {
      for await (const chunk of ours) chunks.push(chunk as Uint8Array)
    })()
    read.catch(() => {})
    await answered.catch((error: unknown) => {
      theirs.destroy()
      throw error
    })
    await read
    return open(new Uint8Array(Buffer.concat(chunks)))
  }

  it("hands over this identity and no other, with a number and a destination of its own", async () => {
    const work = await identities.create("work")
    const { joined, list } = await join(desk.link(ann).code)
    expect(joined).toMatchObject({ name: "ann", device: 1, address: ann.destination.b32 })
    const { devices } = readDeviceList(list, ann.publicKey)
    expect(devices.map(({ number }) => number)).toEqual([0, 1])
    const other = await openHome()
    const there = await other.book.join(joined)
    expect(there.key).toBe(ann.key)
    expect(there.destination.b32).toBe(devices[1]?.address)
    expect(JSON.stringify(joined)).not.toContain(work.key)
    expect(() => there.backupKey("any")).toThrow(expect.objectContaining({ code: "LINKED_DEVICE" }))
    const fresh = await other.book.create("own")
    expect(other.book.list().map(({ name }) => name)).toEqual(["own", "ann"])
    expect(fresh.index).toBe(0)
  })

  it("refuses a wrong secret, and the right code stays good", async () => {
    const { code } = desk.link(ann)
    const wrong = formatDeviceCode({ ...parseDeviceCode(code), secret: new Uint8Array(16) })
    await expect(join(wrong)).rejects.toMatchObject({ code: "DEVICE_REFUSED" })
    expect(own.list(ann).devices).toHaveLength(1)
    expect((await join(code)).joined.device).toBe(1)
  })

  it("refuses a proof that was made for another link", async () => {
    const { code } = desk.link(ann)
    await expect(join(code, bob.publicKey)).rejects.toMatchObject({ code: "DEVICE_REFUSED" })
  })

  it("refuses a code that was used, replaced, or is over after ten minutes", async () => {
    const first = desk.link(ann).code
    const second = desk.link(ann).code
    const refused = { code: "DEVICE_REFUSED" }
    await expect(join(first)).rejects.toMatchObject(refused)
    await join(second)
    await expect(join(second)).rejects.toMatchObject(refused)
    const third = desk.link(ann).code
    await clock.pass(10 * MINUTE_MS)
    await expect(join(third)).rejects.toMatchObject(refused)
    expect(own.list(ann).devices).toHaveLength(2)
  })

  it("never gives a number twice, and no more than four devices", async () => {
    await join(desk.link(ann).code)
    await desk.unlink(ann, 1)
    expect((await join(desk.link(ann).code)).joined.device).toBe(2)
    await join(desk.link(ann).code)
    await join(desk.link(ann).code)
    expect(own.list(ann).devices.map(({ number }) => number)).toEqual([0, 2, 3, 4])
    expect(() => desk.link(ann)).toThrow(expect.objectContaining({ code: "LIMIT_REACHED" }))
    await expect(desk.unlink(ann, 0)).rejects.toMatchObject({ code: "NOT_FOUND" })
  })

  it("hands over the key that a rotation led to, and the name it had from the first", async () => {
    await identities.rotate(ann)
    const { joined, list } = await join(desk.link(ann).code)
    expect(readDeviceList(list, ann.present.publicKey).devices).toHaveLength(2)
    const other = await openHome()
    const there = await other.book.join(joined)
    expect([there.key, there.present.key]).toEqual([ann.key, ann.present.key])
    expect(there.present.version).toBe(1)
    expect(there.rotations()).toEqual(ann.rotations())
    const said = new Uint8Array(3)
    expect(there.sign("any", said)).toEqual(ann.sign("any", said))
    expect(there.present.sign("any", said)).toEqual(ann.present.sign("any", said))
    await expect(other.book.rotate(there)).rejects.toMatchObject({ code: "LINKED_DEVICE" })
  })

  it("refuses to take up keys that its rotations do not lead to", async () => {
    await identities.rotate(ann)
    const { joined } = await join(desk.link(ann).code)
    const { rotations: _, ...without } = joined
    const { first: _1, ...secrets } = joined.secrets
    const other = await openHome()
    for (const forged of [without, { ...joined, secrets }])
      await expect(other.book.join(forged)).rejects.toMatchObject({ code: "BAD_RECORD" })
    expect(other.book.list()).toEqual([])
  })

  it("lets nobody rotate the key while devices are linked, or on one of them", async () => {
    const rotate = () => desk.alone(ann, "rotate key", () => identities.rotate(ann))
    await join(desk.link(ann).code)
    await expect(rotate()).rejects.toMatchObject({ code: "HAS_LINKED_DEVICES" })
    await expect(
      desk.alone({ ...ann, device: 1 } as Identity, "rotate key", async () => {}),
    ).rejects.toMatchObject({ code: "LINKED_DEVICE" })
    expect(ann.present.version).toBe(0)
    await desk.unlink(ann, 1)
    const { code } = desk.link(ann)
    await rotate()
    expect(ann.present.version).toBe(1)
    await expect(join(code)).rejects.toMatchObject({ code: "DEVICE_REFUSED" })
  })

  it("signs the list it has anew after a rotation, and reads one from a backup before it", async () => {
    await join(desk.link(ann).code)
    await desk.unlink(ann, 1)
    const kept = own.keep(ann)!
    await identities.rotate(ann)
    expect(readDeviceList(own.signed(ann)!, ann.present.publicKey)).toEqual(own.list(ann))
    const fresh = new DeviceBook((await openHome()).store.room("devices"))
    expect(await fresh.take(ann, kept.list, kept.last)).toBe(true)
    const forged = makeDeviceList(bob, own.list(ann))
    await expect(fresh.take(ann, forged)).rejects.toMatchObject({ code: "BAD_RECORD" })
  })

  describe("with a contact", () => {
    const devices = [
      { number: 0, address: at("d") },
      { number: 1, address: at("e") },
    ]
    const listBy = (
      signer: Parameters<typeof makeDeviceList>[0],
      revision: number,
      all = devices,
    ) =>
      packDeviceLetter({ kind: "list", list: makeDeviceList(signer, { revision, devices: all }) })
    const tell = async (content: Uint8Array) => {
      const contact = identities.contacts(ann).find("bob")
      return receive({ identity: ann, contact, content, from: "contact" })
    }
    const known = () => identities.contacts(ann).find("bob").devices?.devices.length

    beforeEach(async () => {
      const book = identities.contacts(ann)
      await book.request({ key: bob.key, address: at("d"), name: "bob" })
      await book.receiveAccept({ key: bob.key, address: at("d") })
    })

    it("takes the newest list they signed", async () => {
      await tell(listBy(bob, 5))
      expect(known()).toBe(2)
      await tell(listBy(bob, 4, devices.slice(0, 1)))
      expect(known()).toBe(2)
      await tell(listBy(bob, 6, devices.slice(0, 1)))
      expect(known()).toBe(1)
    })

    it("forgets their linked devices when their key is another, and believes that key alone", async () => {
      const next = signerOf(new Uint8Array(32).fill(9))
      await tell(listBy(bob, 5))
      const steps = readRotations(makeRotation(bob, next, caller.key))
      await identities.contacts(ann).rotate(bob.key, steps)
      expect(known()).toBe(1)
      await expect(tell(listBy(bob, 6))).rejects.toMatchObject({ code: "BAD_RECORD" })
      await tell(listBy(next, 6))
      expect(known()).toBe(2)
    })

    it.each([
      { forged: "a list by a stranger", content: listBy(caller, 9) },
      {
        forged: "a list by a stranger in their name",
        content: listBy({ ...caller, publicKey: bob.publicKey }, 9),
      },
      { forged: "no list", content: new Uint8Array(3) },
      {
        forged: "what only our own devices may say",
        content: packDeviceLetter({ kind: "contact", contact: caller.key, atMs: 1 }),
      },
    ])("drops $forged for good", async ({ content }) => {
      await expect(tell(content)).rejects.toMatchObject({ code: "BAD_RECORD" })
      expect(known()).toBeUndefined()
    })
  })
})
