/**
 * Asks source-witness, one connection after the other, as standard input says, and prints for each question the list of sources that the
 * servers saw, `address port`, or `none` where no answer came.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'

export interface Question {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  /** How often; once by default. */
  readonly times?: number
  readonly localAddress?: string
  readonly localPort?: number
  /** Milliseconds until an answer counts as none. */
  readonly patience?: number
}

const questions = (await json(process.stdin)) as readonly Question[]
const answers: string[][] = []
for (const question of questions) {
  const each: string[] = []
  for (let asked = 0; asked < (question.times ?? 1); asked++) each.push(await ask(question))
  answers.push(each)
}
process.stdout.write(JSON.stringify(answers))

async function ask(question: Question): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve('none'), question.patience ?? 8_000)
  const end = question.protocol === 'tcp' ? askTcp(question, resolve) : askUdp(question, resolve)
  try {
    // Sources of IPv4 on a socket for both are written as ::ffff:10.0.0.1.
    return (await promise).trim().replace(/^::ffff:(?=\d+\.)/, '')
  } finally {
    clearTimeout(timer)
    end()
  }
}

function askTcp({ address, port, localAddress, localPort }: Question, answer: (text: string) => void): () => void {
  const own = { ...(localAddress === undefined ? {} : { localAddress }), ...(localPort === undefined ? {} : { localPort }) }
  const socket = connect({ host: address, port, ...own })
  let text = ''
  socket.on('data', (data) => {
    text += data
    if (text.endsWith('\n')) answer(text)
  })
  socket.on('error', (error) => answer(error.message))
  return () => socket.destroy()
}

function askUdp({ address, port, localAddress, localPort = 0 }: Question, answer: (text: string) => void): () => void {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (data) => answer(String(data)))
  socket.on('error', (error) => answer(error.message))
  const send = () => socket.send('who am I?', port, address)
  socket.bind(localPort, localAddress, send)
  // A datagram may be lost; a flow that does not work answers none of them.
  const again = setInterval(send, 1_000)
  return () => {
    clearInterval(again)
    socket.close()
  }
}
