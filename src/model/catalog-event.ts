import type { BackendSet } from './backend.ts'
import type { Words } from './catalog-spec.ts'
import type { SourceFailure } from './source-event.ts'

/** One answer of a registry, or why there is none. */
export type CatalogEvent<Content> =
  | {
      readonly kind: 'answer'
      readonly content: Content
      /** As that of a BackendSet: only `fresh` takes away. */
      readonly trust: BackendSet['trust']
      /** Milliseconds since the epoch. */
      readonly at: number
    }
  | { readonly kind: 'failure'; readonly failure: SourceFailure }

/** What the instances of one service say; the same object as before where the answer was the same. */
export type Announcement =
  /** At least one instance says something. */
  | {
      readonly kind: 'marked'
      readonly words: Words
      /** Why what is said contradicts itself, one sentence each. */
      readonly problems: readonly string[]
      /** That instances say different things, in words; absent where they agree. */
      readonly disagreement?: string
    }
  /** There are instances, and none of them says anything. */
  | { readonly kind: 'unmarked' }
  /** There is no instance. */
  | { readonly kind: 'gone' }
