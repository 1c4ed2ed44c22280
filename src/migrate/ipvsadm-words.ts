/** An option of a line of ipvsadm, under its long name, with its value where it takes one. */
export interface Option {
  readonly name: string
  readonly value: string | undefined
  /** As it is written. */
  readonly written: string
}

/** Long names by short ones (ipvsadm(8)), and whether a value follows. */
const SHORT: Readonly<Record<string, string>> = {
  '-A': 'add-service',
  '-E': 'edit-service',
  '-D': 'delete-service',
  '-C': 'clear',
  '-R': 'restore',
  '-S': 'save',
  '-a': 'add-server',
  '-e': 'edit-server',
  '-d': 'delete-server',
  '-L': 'list',
  '-l': 'list',
  '-Z': 'zero',
  '-t': 'tcp-service',
  '-u': 'udp-service',
  '-f': 'fwmark-service',
  '-s': 'scheduler',
  '-p': 'persistent',
  '-M': 'netmask',
  '-r': 'real-server',
  '-g': 'gatewaying',
  '-i': 'ipip',
  '-m': 'masquerading',
  '-w': 'weight',
  '-x': 'u-threshold',
  '-y': 'l-threshold',
  '-6': 'ipv6',
  '-o': 'ops',
  '-b': 'sched-flags',
  '-n': 'numeric',
}

const WITH_VALUE = [
  'tcp-service',
  'udp-service',
  'sctp-service',
  'fwmark-service',
  'scheduler',
  'netmask',
  'real-server',
  'weight',
  'u-threshold',
  'l-threshold',
  'sched-flags',
  'pe',
  'tun-type',
  'tun-port',
  'start-daemon',
  'stop-daemon',
  'mcast-interface',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'syncid',
]

/** The options of a line; undefined where it begins with something else. */
export function optionsOf(line: string): readonly Option[] | undefined {
  const words = line.replace(/^\S*ipvsadm\s+/, '').split(/\s+/)
  const options: Option[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    if (!word.startsWith('-')) return undefined
    const [, long, behind] = /^--([^=]+)(?:=(.*))?$/.exec(word) ?? []
    const name = long ?? SHORT[word] ?? word
    const next = words[at + 1]
    const takes = behind === undefined && (takesNext(name, next) || (name === 'set' && next !== undefined))
    const count = takes ? (name === 'set' ? 3 : 1) : 0
    const value = behind ?? (takes ? words.slice(at + 1, at + 1 + count).join(' ') : undefined)
    options.push({ name, value, written: [word, ...(takes ? [value] : [])].join(' ') })
    at += count
  }
  return options
}

/** The time of `--persistent` may be left out. */
function takesNext(name: string, next: string | undefined): boolean {
  if (name === 'persistent') return next !== undefined && /^\d+$/.test(next)
  return WITH_VALUE.includes(name) && next !== undefined
}
