/** Exit codes of every command. Numbers below 50 that ipvsctl uses keep its meaning. docs/exit-codes.md lists them for users. */
export const EXIT = {
  ok: 0,
  usage: 2,
  changesPlanned: 10,
  leftOut: 11,
  noIpvs: 20,
  kernelQuery: 21,
  noPermission: 22,
  noNft: 23,
  unreadable: 30,
  applyFailed: 31,
  invalid: 32,
  badInput: 33,
  actionNotAllowed: 37,
  tableHeld: 40,
  stateUnusable: 41,
  doctorFailed: 42,
  adminAddress: 43,
  unsupportedPlatform: 44,
  noDaemon: 45,
  nothingHeld: 46,
  outputLost: 47,
  lastBackend: 48,
  notDrained: 49,
  internal: 70,
} as const

interface CatalogueEntry {
  readonly exit: number
  readonly retryable: boolean
}

/**
 * Every error that a user, a log line, a metric or an exit code can meet. The code is stable; the sentence is written
 * where the error is made, because only there its particulars are known.
 */
export const CATALOGUE = {
  ACTION_NOT_ALLOWED: { exit: EXIT.actionNotAllowed, retryable: false },
  ADDRESS_CONFLICT: { exit: EXIT.applyFailed, retryable: true },
  ADDRESS_UNPLACED: { exit: EXIT.applyFailed, retryable: true },
  ADMIN_ADDRESS: { exit: EXIT.adminAddress, retryable: true },
  APPLY_FAILED: { exit: EXIT.applyFailed, retryable: true },
  BAD_INPUT: { exit: EXIT.badInput, retryable: false },
  CONFIG_INVALID: { exit: EXIT.invalid, retryable: false },
  CONFIG_UNREADABLE: { exit: EXIT.unreadable, retryable: true },
  DNS_NODATA: { exit: EXIT.unreadable, retryable: true },
  DNS_NO_SERVICE: { exit: EXIT.unreadable, retryable: true },
  DNS_NXDOMAIN: { exit: EXIT.unreadable, retryable: true },
  DNS_REFUSED: { exit: EXIT.unreadable, retryable: true },
  DNS_SERVFAIL: { exit: EXIT.unreadable, retryable: true },
  DNS_TIMEOUT: { exit: EXIT.unreadable, retryable: true },
  DOCTOR_FAILED: { exit: EXIT.doctorFailed, retryable: false },
  INTERNAL: { exit: EXIT.internal, retryable: false },
  IPVS_MISSING: { exit: EXIT.noIpvs, retryable: true },
  JOURNAL_INVALID: { exit: EXIT.invalid, retryable: false },
  JOURNAL_UNREADABLE: { exit: EXIT.unreadable, retryable: false },
  JOURNAL_UNWRITABLE: { exit: EXIT.stateUnusable, retryable: true },
  KERNEL_REFUSED: { exit: EXIT.kernelQuery, retryable: true },
  KERNEL_STUCK: { exit: EXIT.kernelQuery, retryable: false },
  LAST_BACKEND: { exit: EXIT.lastBackend, retryable: false },
  NETLINK_PROTOCOL: { exit: EXIT.kernelQuery, retryable: true },
  NFT_MISSING: { exit: EXIT.noNft, retryable: true },
  NOTHING_HELD: { exit: EXIT.nothingHeld, retryable: false },
  NOT_DRAINED: { exit: EXIT.notDrained, retryable: false },
  NO_DAEMON: { exit: EXIT.noDaemon, retryable: false },
  NO_PERMISSION: { exit: EXIT.noPermission, retryable: false },
  OUTPUT_LOST: { exit: EXIT.outputLost, retryable: false },
  PLAN_OUTDATED: { exit: EXIT.applyFailed, retryable: true },
  SOURCE_INVALID: { exit: EXIT.invalid, retryable: true },
  SOURCE_SILENT: { exit: EXIT.unreadable, retryable: true },
  SOURCE_UNREADABLE: { exit: EXIT.unreadable, retryable: true },
  STATE_NEWER: { exit: EXIT.stateUnusable, retryable: false },
  STATE_UNWRITABLE: { exit: EXIT.stateUnusable, retryable: true },
  TABLE_HELD: { exit: EXIT.tableHeld, retryable: false },
  UNSUPPORTED_PLATFORM: { exit: EXIT.unsupportedPlatform, retryable: false },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof CATALOGUE

/** The one error class: a code from the catalogue and one clear sentence that says what is wrong and what to do. */
export class PointsmanError extends Error {
  readonly code: ErrorCode
  readonly detail: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; detail?: Readonly<Record<string, unknown>> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PointsmanError'
    this.code = code
    this.detail = options.detail ?? {}
  }

  get exitCode(): number {
    return CATALOGUE[this.code].exit
  }

  get retryable(): boolean {
    return CATALOGUE[this.code].retryable
  }
}
