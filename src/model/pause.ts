/** The operator's word that nothing is to be written. Milliseconds since the epoch. */
export interface Pause {
  /** When it was said. */
  readonly at: number
  /** When it ends by itself; absent: when it is taken back. */
  readonly until?: number
  readonly reason?: string
}
