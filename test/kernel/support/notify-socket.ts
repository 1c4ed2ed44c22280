/** A service manager's end of the notify socket (sd_notify(3)), as a witness of what the daemon says of itself. */

import { setTimeout } from 'node:timers/promises'
import type { Lab, LabProcess } from '../../lab/lab.ts'

/** One datagram a line; Node has no datagram sockets in the unix domain, perl is part of every Debian. */
const listener = `
use Socket; $| = 1;
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die $!;
unlink $ARGV[0];
bind($socket, sockaddr_un($ARGV[0])) or die $!;
print "listening\\n";
while (defined recv($socket, my $message, 8192, 0)) { $message =~ s/\\n/|/g; print "$message\\n" }
`

export class NotifySocket implements AsyncDisposable {
  readonly path: string
  readonly #process: LabProcess

  private constructor(path: string, process: LabProcess) {
    this.path = path
    this.#process = process
  }

  static async open(lab: Lab, path: string): Promise<NotifySocket> {
    await lab.check(`mkdir -p "$(dirname ${path})"`)
    const process = lab.spawn(['perl', '-e', listener, path])
    await process.waitForLine((line) => line === 'listening')
    return new NotifySocket(path, process)
  }

  /** Every message so far; the lines of one are joined by `|`. */
  get messages(): readonly string[] {
    return this.#process.stdout.split('\n').slice(1, -1)
  }

  count(message: string): number {
    return this.messages.filter((each) => each.split('|').includes(message)).length
  }

  /** How many such messages come within the time. */
  async countWithin(message: string, milliseconds: number): Promise<number> {
    const before = this.count(message)
    await setTimeout(milliseconds)
    return this.count(message) - before
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.exited
  }
}
