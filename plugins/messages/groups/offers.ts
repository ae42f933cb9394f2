/**
 * What the messages plugin offers for groups.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { identityField } from "../offers.ts"
import { groupNameShape, NAME_CHARACTERS_MAX } from "./entry.ts"
import { MEMBERS_MAX } from "./log.ts"

const memberShape = z.object({
  /** The contact's name, what the owner calls them, or the beginning of their key. */
  name: z.string(),
  key: z.string(),
  role: z.enum(["owner", "member"]),
  /** Messages to and from them go directly; otherwise through others. */
  isContact: z.boolean(),
  isYou: z.boolean(),
})
/** A group as people and programs see it. */
export const groupShape = z.object({
  name: z.string(),
  /** Hex, 64 digits; the same for all members. */
  id: z.string(),
  identity: z.string(),
  role: z.enum(["owner", "member", "gone"]),
  owner: z.string(),
  memberCount: z.int(),
  members: z.array(memberShape),
  /** Number of the newest entry of the log. */
  changes: z.int(),
  /** The owner signed two entries with this number: what they say is not to be trusted. */
  forkedAt: z.int().optional(),
  /** Restored, and no other member has answered yet. */
  unsure: z.boolean(),
})
/** A group as people and programs see it. */
export type GroupDocument = z.output<typeof groupShape>

const name = groupNameShape.meta({ description: `1 to ${NAME_CHARACTERS_MAX} characters` })
const group = z.string().min(1).meta({ description: "Name, or id with 8 digits at least" })
const member = z.string().min(1).meta({ description: "A member: name or key" })
const contact = z.string().min(1).meta({ description: "One of your contacts: name or key" })
const identity = identityField

export const createOffer = offer({
  verb: "group create",
  summary: "Make a group and add contacts to it",
  positional: ["name", "members"],
  examples: ["group create friends ann bob", "group create work"],
  input: z.object({
    name,
    members: z.array(contact).max(MEMBERS_MAX).default([]).meta({ description: "Contacts to add" }),
    identity,
  }),
  output: groupShape,
  display: { line: "Group {name} has {memberCount} members." },
})

export const addOffer = offer({
  verb: "group add",
  summary: "Add a contact to a group of yours; they see what is said from then on",
  positional: ["group", "contact"],
  examples: ["group add friends cy", "group add friends cy --label Cyprian"],
  input: z.object({
    group,
    contact,
    label: groupNameShape
      .optional()
      .meta({ description: "What members who do not know them see; their key by default" }),
    identity,
  }),
  output: groupShape,
  display: { line: "Group {name} has {memberCount} members." },
})

export const removeOffer = offer({
  verb: "group remove",
  summary: "Remove a member from a group of yours",
  positional: ["group", "member"],
  examples: ["group remove friends cy"],
  input: z.object({ group, member, identity }),
  output: groupShape,
  display: { line: "Group {name} has {memberCount} members." },
})

export const leaveOffer = offer({
  verb: "group leave",
  summary: "Leave a group; its owner hands it over first",
  positional: ["group"],
  examples: ["group leave friends"],
  input: z.object({ group, identity }),
  output: groupShape,
  display: { line: "You left {name}." },
})

export const forgetOffer = offer({
  verb: "group forget",
  summary: "Take a group you left off the list, and its messages with it",
  positional: ["group"],
  examples: ["group forget friends"],
  input: z.object({ group, identity }),
  output: z.object({ name: z.string(), id: z.string(), messages: z.int() }),
  display: { line: "{name} is forgotten, and {messages} messages with it." },
})

export const listOffer = offer({
  verb: "group list",
  summary: "List your groups",
  input: z.object({ identity }),
  output: z.array(groupShape),
  display: { columns: ["name", "role", "memberCount", "owner", "id"], empty: "No groups yet." },
})

export const renameOffer = offer({
  verb: "group rename",
  summary: "Give a group of yours another name, for all members",
  positional: ["group", "name"],
  examples: ['group rename friends "old friends"'],
  input: z.object({ group, name, identity }),
  output: groupShape,
  display: { line: "The group is called {name}." },
})

export const handOverOffer = offer({
  verb: "group hand-over",
  summary: "Make another member the owner of a group of yours",
  positional: ["group", "member"],
  examples: ["group hand-over friends ann"],
  input: z.object({ group, member, identity }),
  output: groupShape,
  display: { line: "{owner} owns {name} now." },
})

export const showOffer = offer({
  verb: "group show",
  summary: "Show a group and its members",
  positional: ["group"],
  examples: ["group show friends"],
  input: z.object({ group, identity }),
  output: groupShape,
  display: {},
})
