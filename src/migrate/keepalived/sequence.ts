/** Names and, for each turn, the values that they have in it. */
export interface Turns {
  readonly names: readonly string[]
  readonly turns: readonly (readonly string[])[]
  /** What is said in each turn. */
  readonly rest: string
}

/** More turns than any configuration needs. */
const MOST = 65_536

/** `~SEQ(name, start, step, end) rest`, `~SEQx(...)` and `~LST(...) rest`; undefined where the line begins with none that can be read. */
export function readTurns(line: string): Turns | undefined {
  const [, kind, content, rest] = /^~(SEQx?|LST)\(([^)]*)\)\s*(.*)$/s.exec(line) ?? []
  if (kind === undefined || content === undefined || rest === undefined) return undefined
  return kind === 'LST' ? listed(content, rest) : counted(content, rest, kind === 'SEQx')
}

function counted(content: string, rest: string, hexadecimal: boolean): Turns | undefined {
  const [name = '', ...texts] = content.split(',').map((part) => part.trim())
  const numbers = texts.map(Number)
  if (!/^[A-Za-z_]\w*$/.test(name) || numbers.length === 0 || numbers.length > 3 || !numbers.every(Number.isInteger))
    return undefined
  const end = numbers.at(-1) ?? 0
  const start = numbers.length === 1 ? Math.sign(end) || 1 : (numbers[0] ?? 0)
  const step = numbers.length === 3 ? (numbers[1] ?? 0) : end >= start ? 1 : -1
  if (step === 0) return undefined
  const turns: string[][] = []
  for (let value = start; step > 0 ? value <= end : value >= end; value += step) {
    if (turns.length === MOST) return undefined
    turns.push([value.toString(hexadecimal ? 16 : 10)])
  }
  return { names: [name], turns, rest }
}

function listed(content: string, rest: string): Turns | undefined {
  const parts = content.match(/\s*\{[^}]*\}\s*|[^,]+/g)?.map((part) => part.trim().replaceAll(/^\{|\}$/g, '')) ?? []
  const [names = [], ...turns] = parts.filter((part) => part !== '').map((part) => part.split(',').map((one) => one.trim()))
  const fits = turns.length > 0 && turns.length <= MOST && turns.every((values) => values.length === names.length)
  return fits && names.every((name) => /^[A-Za-z_]\w*$/.test(name)) ? { names, turns, rest } : undefined
}
