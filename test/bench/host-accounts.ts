/** What the guest of user-mode Linux has used, by the accounts of this machine. */

import { familyOf, processorTimeWithEnded, sumOf } from './process-facts.ts'
import type { GuestMessage, Message } from './sample.ts'

/**
 * The clock of user-mode Linux goes on while this machine runs something else, and whoever had the processor there pays for it. This machine knows what all of
 * the guest has used in a window, and the guest whose share of it was what. `guest`: the process from which all of it descends.
 */
export function hostAccounts(guest: () => number, take: (message: Message) => void): (message: GuestMessage) => void {
  const used = () => sumOf(familyOf(guest()), processorTimeWithEnded)
  let before = 0
  return (message) => {
    if (message.kind === 'window-begins') before = used()
    else if (message.kind !== 'window-ends') take(message)
    else {
      const { sample, share, count } = message
      take({ ...sample, value: (((used() - before) * share) / count) * 1e6 })
    }
  }
}

/** The guest's own accounts, where its clock stands still with it. */
export function guestAccounts(take: (message: Message) => void): (message: GuestMessage) => void {
  return (message) => {
    if (message.kind === 'window-ends') take(message.sample)
    else if (message.kind !== 'window-begins') take(message)
  }
}
