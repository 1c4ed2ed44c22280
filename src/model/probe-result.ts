/** Why there was no connection: nobody listens, no way leads there, or no answer came in time. */
export type ConnectFailure = 'refused' | 'unreachable' | 'timed-out'

/**
 * What was wrong after the connection stood, or where there is no connection to speak of (UDP, exec): the TLS handshake, an
 * end too early, silence until the deadline, or an answer other than the expected one.
 */
export type ServiceFailure = 'tls' | 'closed' | 'no-answer' | 'wrong-answer'

/** What a backend says of itself beside the outcome; absent is nothing said. */
export interface SelfReport {
  /** 0–65535, in place of the weight it has (an exec probe's exit code). */
  readonly weight?: number
  /** Percent of the weight that it has, 0–100 (an agent's answer). */
  readonly percent?: number
  /** What it asks the director for, whatever its health is (an agent's answer). */
  readonly wish?: 'ready' | 'drain' | 'maintenance'
}

/** What came of asking a backend once. */
export type ProbeResult =
  | {
      readonly outcome: 'passed'
      readonly report?: SelfReport
      /** Days until the certificate that was shown runs out; negative afterwards. */
      readonly certificateDays?: number
    }
  /** The backend does not serve. One sentence for people. */
  | {
      readonly outcome: 'failed'
      readonly failure: ConnectFailure | ServiceFailure
      readonly message: string
      readonly report?: SelfReport
      readonly certificateDays?: number
    }
  /** Nothing was learnt about the backend, as when no file descriptor was left. */
  | { readonly outcome: 'unknown'; readonly message: string }

/** That and nothing more, as thousands of probes a second have it. */
export const PASSED: ProbeResult = { outcome: 'passed' }

/** What probe results make of a backend. */
export type Health = 'unknown' | 'up' | 'down'

const CONNECT_FAILURES: ReadonlySet<string> = new Set<ConnectFailure>(['refused', 'unreachable', 'timed-out'])

/** Whether there was not even a connection, which is always believed: no fault of what is asked for looks like that. */
export function isConnectFailure(failure: ConnectFailure | ServiceFailure): failure is ConnectFailure {
  return CONNECT_FAILURES.has(failure)
}
