/**
 * A real server: answers each line over TCP and SCTP and each datagram over UDP with its own name and what it got.
 *
 * Usage: `echo-server NAME tcp:ADDRESS:PORT udp:ADDRESS:PORT…`. Prints `ready` when all is open.
 */

import { writeSync } from 'node:fs'
import {
  acceptFrom,
  answerDatagram,
  edgeTriggered,
  hungUp,
  listenOn,
  Poller,
  type Protocol,
  readable,
  receiveText,
  sendText,
  socketAddress,
} from './sockets.ts'

const [name = '', ...listeners] = process.argv.slice(2)
const poller = new Poller()

function answerLines(fd: number, text: string): void {
  const lines = text.split('\n')
  lines.pop()
  sendText(fd, lines.map((line) => `${name} ${line}\n`).join(''))
}

/** A question is one short line, hence one segment. */
function serve(fd: number): void {
  poller.add(fd, readable | hungUp | edgeTriggered, (events) => {
    try {
      const text = receiveText(fd)
      if (text !== undefined && text !== '') answerLines(fd, text)
      if (text === '' || (events & hungUp) !== 0) poller.close(fd)
    } catch {
      poller.close(fd)
    }
  })
}

function acceptAll(listening: number): void {
  for (let fd = acceptFrom(listening); fd !== undefined; fd = acceptFrom(listening)) serve(fd)
}

function answerAll(fd: number): void {
  while (answerDatagram(fd, (question) => `${name} ${question}`));
}

for (const listener of listeners) {
  const [, protocol, address = '', port] = /^(tcp|udp|sctp):(.*):(\d+)$/.exec(listener) ?? []
  if (protocol === undefined)
    throw new Error(`'${listener}' is no listener: write tcp:ADDRESS:PORT, udp:ADDRESS:PORT or sctp:ADDRESS:PORT`)
  const fd = listenOn(protocol as Protocol, socketAddress(address, Number(port)))
  poller.add(fd, readable, () => (protocol === 'udp' ? answerAll(fd) : acceptAll(fd)))
}
writeSync(1, 'ready\n')
for (;;) poller.wait(-1)
