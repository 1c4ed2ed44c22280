import { expect, test } from 'vitest'
import { command } from '../../lab/command.ts'

/** What bash offers for a line that ends with the cursor. */
async function bash(line: string): Promise<readonly string[]> {
  const words = line.split(' ')
  const script = [
    'source deploy/completion/pointsman.bash',
    `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}`,
    '_pointsman',
    `printf "%s\\n" "\${COMPREPLY[@]}"`,
  ].join('\n')
  return offered(await command(['bash', '--norc', '-euc', script]))
}

async function fish(line: string): Promise<readonly string[]> {
  const script = `source deploy/completion/pointsman.fish; complete -C '${line}'`
  const answer = await command(['fish', '--no-config', '-c', script])
  return offered(answer).map((word) => word.split('\t')[0] ?? '')
}

function offered(text: string): readonly string[] {
  return text.split('\n').filter((word) => word !== '')
}

test.each([['bash', bash] as const, ['fish', fish] as const])('%s offers commands, options and values', async (_, ask) => {
  expect((await ask('pointsman sta')).toSorted()).toEqual(['start', 'status'])
  expect(await ask('pointsman drain --wa')).toEqual(['--wait'])
  expect((await ask('pointsman start --on-exit ')).toSorted()).toEqual(['drain', 'keep', 'remove'])
  expect((await ask('pointsman import ')).toSorted()).toEqual(['ezlb', 'ipvsadm', 'ipvsctl', 'keepalived', 'kglb'])
  expect(await ask('pointsman import kee')).toEqual(['keepalived'])
  expect(await ask('pointsman import keepalived config/web-')).toEqual(['config/web-backends.yaml'])
})

test('bash offers files where a file is due, and none where a service is', async () => {
  expect(await bash('pointsman validate -c config/web-')).toEqual(['config/web-backends.yaml'])
  expect(await bash('pointsman replay config/web-')).toEqual(['config/web-backends.yaml'])
  expect(await bash('pointsman status config/web-')).toEqual([])
})

test('zsh can read its completion and calls its own commands for it', async () => {
  const stubs = `_describe() { print -l -- "\${(@)commands}" }; _arguments() { print -l -- "$@" }`
  const ask = (words: string, at: number) =>
    command(['zsh', '-fc', `${stubs}; words=(${words}) CURRENT=${at}; source deploy/completion/_pointsman`])
  expect(await ask('pointsman sta', 2)).toContain('start:run the daemon\n')
  expect(await ask('pointsman import kee', 3)).toContain(':tool:(keepalived ipvsadm ezlb ipvsctl kglb)\n')
  expect(await ask('pointsman drain --wa', 3)).toContain('--wait[wait until the last connection has ended]\n')
})
