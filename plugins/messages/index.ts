/**
 * Conversations with contacts: kept until the other side has them on disk, shown once, in order.
 *
 * Events: `messages.` and what happened, such as `messages.received` or `messages.delivered`, each with the message; and
 * `messages.typing`.
 *
 * @see docs/protocol/messages.md
 * @module
 */
import { definePlugin, type Plugin, type PluginContext } from "allium/plugin"
import { backupPart } from "./backup.ts"
import * as care from "./care.ts"
import * as careOffers from "./care-offers.ts"
import { listConversations } from "./conversation-list.ts"
import { deleteMessage, editMessage, reactToMessage } from "./deeds.ts"
import { listMessages, sendText, watchMessages } from "./desk.ts"
import { GroupDesk } from "./groups/desk.ts"
import * as groupOffers from "./groups/offers.ts"
import * as offers from "./offers.ts"
import { Office } from "./office.ts"
import { exportMessages, searchMessages } from "./search.ts"

function answerMessages(context: PluginContext, office: Office): void {
  context.answer(offers.sendOffer, (input, call) => sendText(office, input, call))
  context.answer(offers.listOffer, (input) => listMessages(office, input))
  context.answer(offers.watchOffer, (input, call) => watchMessages(office, input, call))
  context.answer(offers.editOffer, (input) => editMessage(office, input))
  context.answer(offers.deleteOffer, (input) => deleteMessage(office, input))
  context.answer(offers.reactOffer, (input) => reactToMessage(office, input))
  context.answer(offers.searchOffer, (input, call) => searchMessages(office, input, call))
  context.answer(offers.exportOffer, (input, call) => exportMessages(office, input, call))
}

function answerCare(context: PluginContext, office: Office): void {
  context.answer(careOffers.conversationsOffer, (input) => listConversations(office, input))
  context.answer(careOffers.readOffer, (input) => care.readMessages(office, input))
  context.answer(careOffers.draftOffer, (input) => care.keepDraft(office, input))
  context.answer(careOffers.muteOffer, (input) => care.mute(office, input, true))
  context.answer(careOffers.unmuteOffer, (input) => care.mute(office, input, false))
  context.answer(careOffers.timerOffer, (input) => care.setTimer(office, input))
  context.answer(careOffers.typingOffer, (input) => care.tellTyping(office, input))
  context.answer(careOffers.settingsOffer, (input) => care.chooseSettings(office, input))
}

/** The plugin. */
export const messages: Plugin = definePlugin({
  name: "messages",
  offers: [
    ...[offers.sendOffer, offers.listOffer, offers.watchOffer, offers.editOffer],
    ...[offers.deleteOffer, offers.reactOffer, offers.searchOffer, offers.exportOffer],
    ...[careOffers.conversationsOffer, careOffers.readOffer, careOffers.draftOffer],
    ...[careOffers.muteOffer, careOffers.unmuteOffer, careOffers.timerOffer],
    ...[careOffers.typingOffer, careOffers.settingsOffer],
    ...[groupOffers.createOffer, groupOffers.addOffer, groupOffers.removeOffer],
    ...[
      groupOffers.leaveOffer,
      groupOffers.forgetOffer,
      groupOffers.listOffer,
      groupOffers.renameOffer,
    ],
    ...[groupOffers.handOverOffer, groupOffers.showOffer],
  ],
  async start(context) {
    const office = new Office(context)
    answerMessages(context, office)
    answerCare(context, office)
    new GroupDesk(context, office.groups, office.book).answer()
    context.backup(backupPart(office))
    await office.open()
    return undefined
  },
})
