/** What nftables said to a command in JSON. */
export interface NftAnswer {
  readonly done: boolean
  /** JSON, or empty. */
  readonly output: string
  /** Its words where it refused. */
  readonly words: string
}

/** A command on its way. */
export interface NftRun {
  /** Rejects where nftables could not even be asked. */
  readonly answer: Promise<NftAnswer>
  /** Ends it if that is possible; `answer` settles when nothing more of it can happen. */
  readonly abandon: () => void
}

/** One of the ways to nftables. */
export interface NftRunner {
  readonly by: 'libnftables' | 'nft'
  /** `text` is a document of libnftables-json(5). */
  run(text: string): NftRun
}
