/**
 * The configuration of an i2pd of our own: SAM on loopback, and nothing else that listens.
 *
 * @see https://i2pd.readthedocs.io/en/latest/user-guide/configuration/
 * @module
 */

/** Sections of i2pd that open a listener, or that ask the local network for a port. */
const SWITCHED_OFF = ["http", "httpproxy", "socksproxy", "bob", "i2cp", "i2pcontrol", "upnp"]

/**
 * Writes `i2pd.conf`.
 *
 * The address book stays on: i2pd 2.45.1 crashes without it. It remembers no peers' addresses on disk
 * (`persist.addressbook`), and keeps no profiles of other routers.
 *
 * @param samPort - Where SAM listens on 127.0.0.1.
 * @param extra - The user's own lines; put first, so that they stand outside every section.
 */
export function formatI2pdConfig(samPort: number, extra = ""): string {
  const off = SWITCHED_OFF.map((section) => `[${section}]\nenabled = false\n`)
  return [
    "log = none\n",
    extra.endsWith("\n") || extra === "" ? extra : `${extra}\n`,
    `[sam]\nenabled = true\naddress = 127.0.0.1\nport = ${samPort}\n`,
    "[addressbook]\nenabled = true\n",
    "[persist]\nprofiles = false\naddressbook = false\n",
    ...off,
  ].join("")
}
