import type { Document } from '../../document/document.ts'
import type { Issue } from '../../document/issue.ts'
import { parseDocument } from '../../document/parse.ts'
import { isMapping } from '../../document/reading.ts'
import { interpret } from '../../document/schema.ts'
import { urlWithoutSecrets } from '../../model/http-source-spec.ts'
import type { ParameterDocument, Surroundings } from '../parameters/lookup.ts'
import { type Bytes, type Reach, unreachableAt } from '../reach.ts'
import { fingerprintOf, type ReadTrace } from '../read-trace.ts'
import { earlyTexts } from './early-texts.ts'
import { besides } from './files.ts'
import { parametersSchema } from './include-schema.ts'

export interface ParameterDocuments {
  readonly documents: readonly ParameterDocument[]
  readonly issues: readonly Issue[]
}

/** Reads the documents that `parameters` names: files in their order, then urls in theirs. */
export async function readParameterDocuments(
  main: Document,
  surroundings: Surroundings,
  reach: Reach,
  trace: ReadTrace,
): Promise<ParameterDocuments> {
  const raw = (main.value as Readonly<Record<string, unknown>> | null)?.['parameters'] ?? {}
  const early = earlyTexts(main, raw, ['parameters'], surroundings)
  if (early.issues.length > 0) return { documents: [], issues: early.issues }
  const issues: Issue[] = []
  const { value, unreadable, ...read } = interpret(parametersSchema, early.value, early.document, ['parameters'])
  issues.push(...read.issues)
  if (value === undefined || unreadable.size > 0 || issues.length > 0) return { documents: [], issues }
  const wanted = [
    ...(value.files ?? []).map((path, index): Wanted => ({ kind: 'file', index, place: besides(main.file, path) })),
    ...(value.urls ?? []).map((url, index): Wanted => ({ kind: 'url', index, place: url })),
  ]
  const answers = await Promise.all(wanted.map(({ kind, place }) => (kind === 'file' ? reach.read(place) : reach.fetch(place))))
  const documents = wanted.flatMap((each, at): ParameterDocument[] => {
    const answer = answers[at] as Bytes
    if (each.kind === 'file') trace.read(each.place, answer)
    else trace.asked(answer.ok ? fingerprintOf(answer.bytes) : 'nothing')
    return understand(main, each, answer, issues)
  })
  return { documents, issues }
}

interface Wanted {
  readonly kind: ParameterDocument['kind']
  /** In its list. */
  readonly index: number
  readonly place: string
}

function understand(main: Document, { kind, index, place }: Wanted, answer: Bytes, issues: Issue[]): ParameterDocument[] {
  const written = main.value as { parameters: { files?: readonly string[]; urls?: readonly string[] } }
  // As it is written: what stands for a parameter in it may be a secret.
  const shown = kind === 'file' ? place : urlWithoutSecrets(String(written.parameters.urls?.[index]))
  if (!answer.ok) {
    const problem = `${shown}: ${answer.problem}`
    issues.push(unreachableAt(main, ['parameters', `${kind}s`, index], { ...answer, problem }))
    return []
  }
  const parsed = parseDocument(answer.bytes, { path: shown })
  if (!parsed.ok) {
    issues.push(...parsed.issues.map(withoutContent))
    return []
  }
  const { value } = parsed.document
  if (isMapping(value)) return [{ kind, value }]
  issues.push({
    file: shown,
    line: 1,
    column: 1,
    path: '',
    problem: 'the document is no mapping',
    remedy: 'write entries such as ports: { web: 8080 }',
  })
  return []
}

/** What is said of a line (those issues have an excerpt) may quote a part of it, which may be a secret. */
function withoutContent({ excerpt, ...issue }: Issue): Issue {
  if (excerpt === undefined) return issue
  return {
    ...issue,
    problem: 'this is not YAML or JSON',
    remedy: 'correct it here; what stands here is not shown, it may be secret',
  }
}
