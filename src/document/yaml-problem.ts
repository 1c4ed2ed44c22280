import type { YAMLError } from 'yaml'
import type { Place } from './document.ts'

interface ExplainedProblem {
  readonly problem: string
  readonly remedy: string
  /** Where, if elsewhere than the parser says. */
  readonly line?: number
  readonly column?: number
}

/** A list or mapping in brackets whose end the parser misses. */
export interface UnclosedBracket {
  readonly bracket: '[' | '{'
  readonly opens: Place
  /** What stands where the end was due: its first character, and whether that begins its line; undefined at the end of the text. */
  readonly found?: Place & { readonly character: string; readonly startsLine: boolean }
}

/** What a message of the YAML parser means to the person who wrote the file. */
export function yamlProblem(error: YAMLError, line: string, unclosed?: UnclosedBracket): ExplainedProblem {
  const bareIpv6 = /(?<=(?:^|[\s,[:-])\s*)\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]:\w*/.exec(line)
  if (bareIpv6 && error.code !== 'TAB_AS_INDENT') {
    return {
      problem: `an IPv6 address with a port begins with a bracket, which YAML takes for a list`,
      remedy: `put it in quotes: "${bareIpv6[0]}"`,
      column: bareIpv6.index + 1,
    }
  }
  const bareParameter = /(?<=[[{,:]\s*)[^\s"',[\]{}$]*\$\{/.exec(line)
  if (bareParameter && error.code !== 'TAB_AS_INDENT') {
    return {
      problem: 'a parameter has braces, which YAML takes for a mapping within { } and [ ]',
      remedy: 'put the value that it is a part of in quotes',
      column: bareParameter.index + 1,
    }
  }
  if (unclosed !== undefined) return unclosedProblem(unclosed)
  const known = MISALIGNED.test(error.message) ? BAD_INDENT : EXPLANATIONS[error.code]
  if (known) return known
  const words = withoutText(error)
  return { problem: `this is not YAML (${words})`, remedy: 'correct the line, or put the value in quotes' }
}

/** What of a message is the parser's own: the text that it stumbled over may be a secret. */
function withoutText({ code, message }: YAMLError): string {
  const [words = message] = message.split('\n', 1)
  if (code === 'BAD_DQ_ESCAPE') return words.replace(/\\.*$/s, '').trim()
  return code === 'UNEXPECTED_TOKEN' ? words.replace(/: .*$/s, '') : words
}

function unclosedProblem({ bracket, opens, found }: UnclosedBracket): ExplainedProblem {
  const closing = bracket === '[' ? ']' : '}'
  const close = `write ${closing} where it ends`
  const problem = `the bracket ${bracket} that opens here is not closed`
  if (found === undefined) return { problem, remedy: close, ...opens }
  if (!found.startsLine) return { problem, remedy: `${close}, before column ${found.column} of line ${found.line}`, ...opens }
  if (found.character === closing) {
    const tooFarLeft = `the ${closing} of the bracket that opens here stands too far to the left`
    return { problem: tooFarLeft, remedy: `indent line ${found.line} further`, ...opens }
  }
  return { problem, remedy: `${close}, before line ${found.line}, or indent that line further if it belongs inside`, ...opens }
}

const BAD_INDENT: ExplainedProblem = {
  problem: 'the indentation does not fit the lines above',
  remedy: 'align the line with its neighbours',
}

/** Entries of a list that stand too far to the left or to the right, and what stands between the two. */
const MISALIGNED = /^(A block sequence may not be used as an implicit map key|Sequence item without - indicator)/

const EXPLANATIONS: { readonly [code in YAMLError['code']]?: ExplainedProblem } = {
  TAB_AS_INDENT: { problem: 'the line is indented with a tab', remedy: 'indent with spaces' },
  DUPLICATE_KEY: { problem: 'the key is written twice', remedy: 'keep one of the two' },
  MULTIPLE_DOCS: {
    problem: 'a second document begins here',
    remedy: 'write one document only, without a line that holds --- in the middle',
  },
  BAD_INDENT,
  BLOCK_AS_IMPLICIT_KEY: {
    problem: 'a second colon follows in the same value',
    remedy: 'put the value in quotes, or move the inner key to a line of its own',
  },
  NON_STRING_KEY: { problem: 'a key must be plain text', remedy: 'write a plain word before the colon' },
  TAG_RESOLVE_FAILED: {
    problem: 'tags (words that begin with !) are not used here',
    remedy: 'remove the tag, or put the value in quotes',
  },
  BAD_SCALAR_START: { problem: 'a value may not begin with this character', remedy: 'put the value in quotes' },
  BAD_DIRECTIVE: { problem: 'the directive (line that begins with %) is not known', remedy: 'remove the line' },
}
