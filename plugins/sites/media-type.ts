/**
 * Media types by the end of a file's name; fixed here, so that they tell nothing of the system.
 *
 * @module
 */
import { extname } from "node:path"

const BY_ENDING: Readonly<Record<string, string>> = {
  ".7z": "application/x-7z-compressed",
  ".apk": "application/vnd.android.package-archive",
  ".asc": "text/plain",
  ".atom": "application/atom+xml",
  ".avif": "image/avif",
  ".bmp": "image/bmp",
  ".bz2": "application/x-bzip2",
  ".css": "text/css",
  ".csv": "text/csv",
  ".epub": "application/epub+zip",
  ".flac": "audio/flac",
  ".gif": "image/gif",
  ".gz": "application/gzip",
  ".htm": "text/html",
  ".html": "text/html",
  ".ico": "image/x-icon",
  ".ics": "text/calendar",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".json": "application/json",
  ".jxl": "image/jxl",
  ".m4a": "audio/mp4",
  ".m4v": "video/mp4",
  ".map": "application/json",
  ".md": "text/markdown",
  ".mjs": "text/javascript",
  ".mkv": "video/x-matroska",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".oga": "audio/ogg",
  ".ogg": "audio/ogg",
  ".ogv": "video/ogg",
  ".opus": "audio/ogg",
  ".otf": "font/otf",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".rss": "application/rss+xml",
  ".svg": "image/svg+xml",
  ".tar": "application/x-tar",
  ".torrent": "application/x-bittorrent",
  ".ttf": "font/ttf",
  ".txt": "text/plain",
  ".vtt": "text/vtt",
  ".wasm": "application/wasm",
  ".wav": "audio/wav",
  ".webm": "video/webm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".xhtml": "application/xhtml+xml",
  ".xml": "application/xml",
  ".xz": "application/x-xz",
  ".zip": "application/zip",
  ".zst": "application/zstd",
}
const IS_TEXT = /^text\/|\/(?:javascript|json|xml)$|\+(?:json|xml)$/

/** Value of `Content-Type` for a file of this name; texts are UTF-8. */
export function mediaType(name: string): string {
  const type = BY_ENDING[extname(name).toLowerCase()] ?? "application/octet-stream"
  return IS_TEXT.test(type) ? `${type}; charset=utf-8` : type
}
