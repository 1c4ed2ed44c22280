/**
 * Bytes to the kernel and bytes back: the seam at which tests put a scripted kernel. The kernel works a request off
 * inside `send`, so whatever it has to say is waiting when `send` returns.
 */
export interface NetlinkTransport extends Disposable {
  /** One send(2) of one or more whole messages; throws SystemCallError. */
  send(bytes: Uint8Array): void
  /**
   * Copies the next waiting datagram and gives its real length, which is larger than `into` when it was cut;
   * undefined when nothing is waiting. Throws SystemCallError, with ENOBUFS when the kernel had to drop replies.
   */
  receive(into: Uint8Array): number | undefined
}
