/**
 * Quantities as people read them.
 *
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]

/** `0 B`, `1.5 KiB`, `64 MiB`. */
export function writeBytes(byteCount: number): string {
  const power = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log2(byteCount || 1) / 10)))
  const amount = byteCount / 1024 ** power
  const digits = power === 0 || amount >= 100 || Number.isInteger(amount) ? 0 : 1
  return `${amount.toFixed(digits)} ${UNITS[power]}`
}

/** `0:07`, `1:23`, `2:03:04`. */
export function writeSpan(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const two = (value: number) => String(value).padStart(2, "0")
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** Local time to the minute: `2026-01-31 09:05`. */
export function writeTime(millisecondsSince1970: number): string {
  const at = new Date(millisecondsSince1970)
  if (Number.isNaN(at.getTime())) return String(millisecondsSince1970)
  const two = (value: number) => String(value).padStart(2, "0")
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}
