/** Asks DNS servers as standard input says, each question from a socket of its own, and prints the answers: texts of a record, or the error's code. */
import { Resolver } from 'node:dns/promises'
import { json } from 'node:stream/consumers'

export interface NameQuestions {
  readonly server: string
  readonly name: string
  readonly times: number
}

const { server, name, times } = (await json(process.stdin)) as NameQuestions
const answers: string[] = []
for (let asked = 0; asked < times; asked++) {
  const resolver = new Resolver({ timeout: 20_000, tries: 2 })
  resolver.setServers([server])
  answers.push(
    await resolver.resolveTxt(name).then(
      (records) => records.flat().join(' '),
      ({ code }: NodeJS.ErrnoException) => code ?? 'failed',
    ),
  )
}
process.stdout.write(JSON.stringify(answers))
