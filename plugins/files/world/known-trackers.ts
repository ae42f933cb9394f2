/**
 * Trackers inside I2P that are known to stand, by address, so that no name has to be looked up.
 *
 * @see https://github.com/majestrate/XD/blob/master/lib/config/defaults.go
 * @module
 */

/** A tracker people know by a name. */
export interface KnownTracker {
  readonly name: string
  readonly url: string
  /** Open: takes any torrent. Others take those that were uploaded to their site. */
  readonly isOpen: boolean
}

/** Open ones are told of shares and asked for magnet links without trackers, unless the user chose others. */
export const KNOWN_TRACKERS: readonly KnownTracker[] = [
  {
    name: "opentracker.dg2.i2p",
    url: "http://w7tpbzncbcocrqtwwm3nezhnnsw4ozadvi2hmvzdhrqzfxfum7wa.b32.i2p/a",
    isOpen: true,
  },
  {
    name: "opentracker.skank.i2p",
    url: "http://by7luzwhx733fhc5ug2o75dcaunblq2ztlshzd7qvptaoa73nqua.b32.i2p/a",
    isOpen: true,
  },
  {
    name: "opentracker.r4sas.i2p",
    url: "http://punzipidirfqspstvzpj6gb4tkuykqp6quurj6e23bgxcxhdoe7q.b32.i2p/a",
    isOpen: true,
  },
  {
    name: "sigmatracker.i2p",
    url: "http://qimlze77z7w32lx2ntnwkuqslrzlsqy7774v3urueuarafyqik5a.b32.i2p/a",
    isOpen: true,
  },
  {
    name: "tracker2.postman.i2p",
    url: "http://6a4kxkg5wp33p25qqhgwl6sj4yh4xuf5b3p3qldwgclebchm3eea.b32.i2p/announce.php",
    isOpen: false,
  },
]

/** The open ones, as URLs. */
export const OPEN_TRACKERS: readonly string[] = KNOWN_TRACKERS.filter(({ isOpen }) => isOpen).map(
  ({ url }) => url,
)

/** The name people know a tracker by, or its host. */
export function trackerName(url: string): string {
  return KNOWN_TRACKERS.find((known) => known.url === url)?.name ?? new URL(url).host
}
