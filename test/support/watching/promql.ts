/** What a query asks for, as far as a test needs to know. */
export interface Uses {
  /** Metrics, each with the labels and values that its selector names. */
  readonly selectors: readonly Selector[]
  /** Labels by which series are grouped, joined or left out. */
  readonly grouping: readonly string[]
}

export interface Selector {
  readonly metric: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

const TOKEN = /"(?:\\.|[^"\\])*"|[a-zA-Z_:][\w:]*|\d[\w.]*|\[[^\]]*\]|=~|!~|!=|==|[^\s]/g
const NAME = /^[a-zA-Z_:]/
const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset'])

/** Reads an expression of PromQL; whether it is a right one is promtool's to say. */
export function usesOf(expression: string): Uses {
  const tokens: readonly string[] = expression.match(TOKEN) ?? []
  const selectors: Selector[] = []
  const grouping: string[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    const next = tokens[at + 1] ?? ''
    if (!NAME.test(token) || WORDS.has(token)) continue
    if (GROUPING.has(token)) {
      // group_left and group_right may stand without a list.
      if (next !== '(') continue
      const end = tokens.indexOf(')', at)
      grouping.push(...tokens.slice(at + 2, end).filter((each) => each !== ','))
      at = end
    } else if (next !== '(' && !GROUPING.has(next)) {
      const end = next === '{' ? tokens.indexOf('}', at) : at
      selectors.push({ metric: token, matchers: matchersOf(tokens.slice(at + 2, end)) })
      at = end
    }
  }
  return { selectors, grouping }
}

function matchersOf(tokens: readonly string[]): Selector['matchers'] {
  const matchers = []
  const words = tokens.filter((token) => token !== ',')
  for (let at = 0; at + 2 < words.length; at += 3) {
    const [label = '', operator = '', value = ''] = words.slice(at, at + 3)
    matchers.push({ label, operator, value: JSON.parse(value) as string })
  }
  return matchers
}
