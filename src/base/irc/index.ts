/**
 * IRC, line by line: what the client's and the server's tunnel share.
 *
 * @module
 */
export { type FilteredLines, filterLines, type LineFilter } from "./filtered-lines.ts"
export { formatIrcLine, type IrcLine, parseIrcLine } from "./irc-line.ts"
