/** Placeholder seam; the SAM room fills this file. */
export interface Destination {
  /** 387 + L bytes; never changed. */
  readonly bytes: Uint8Array
  /** I2P base64 with its padding. */
  readonly base64: string
  /** 52 characters of base32, then `.b32.i2p`. */
  readonly b32: string
}
