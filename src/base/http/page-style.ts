/**
 * How pages of our own look: as the reader's system does, dark or light, on any width. Nothing is loaded.
 *
 * @module
 */
import { createHash } from "node:crypto"

const STYLE = [
  ":root{color-scheme:light dark}",
  "body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}",
  "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}",
  "label{display:block;margin:0 0 1rem}",
  "textarea,input{display:block;width:100%;margin:.25rem 0 0;padding:.5rem;box-sizing:border-box;font:inherit}",
  "input[type=file]{padding:0}",
  "button{font:inherit;padding:.5rem 1.5rem}",
  "table{border-collapse:collapse;width:100%}td{padding:.35rem 1rem .35rem 0}td:last-child{padding-right:0;text-align:right;white-space:nowrap}",
  "ul{padding-left:1.25rem}li{padding:.2rem 0}",
  "hr{border:0;border-top:1px solid;opacity:.3;margin:2rem 0 1rem}small{opacity:.75}",
].join("")

/** Stands in the head of every page of ours. */
export const PAGE_HEAD = `<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>${STYLE}</style>`

/** Lets a page use this style and no other. */
export const PAGE_STYLE_POLICY = `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`
