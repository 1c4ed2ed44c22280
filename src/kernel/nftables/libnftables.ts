import { closeSync } from 'node:fs'
import koffi, { type KoffiFunc } from 'koffi'
import { Turns } from '../../turns.ts'
import { AF_NETLINK, closeOnExec, RawSocket, SOCK_RAW, SystemCallError } from '../libc.ts'
import { NETLINK_NETFILTER } from '../netfilter/constants.ts'
import type { NftAnswer, NftRun, NftRunner } from './runner.ts'

/** `nftables/libnftables.h` (libnftables(3)). */
const NFT_CTX_DEFAULT = 0
const NFT_CTX_OUTPUT_JSON = 1 << 4

const LIBRARY = 'libnftables.so.1'
/** Characters of a question or an answer from which on the memory behind it is given back: 90 MB for 10,000 elements that are listed. */
const LARGE = 256 * 1024

/** An address in the library's memory, which nobody looks behind. */
type Context = unknown

interface Library {
  readonly open: (flags: number) => Context
  readonly free: KoffiFunc<(context: Context) => void>
  readonly setOutputFlags: (context: Context, flags: number) => void
  readonly bufferOutput: (context: Context) => number
  readonly bufferError: (context: Context) => number
  readonly run: KoffiFunc<(context: Context, text: Uint8Array) => number>
  readonly output: (context: Context) => string
  readonly error: (context: Context) => string
  /** malloc_trim(3), in the GNU C library alone. */
  readonly trim: KoffiFunc<(keep: number) => number> | undefined
}

/** libnftables in this process; undefined where it is not installed. */
export function loadLibnftables(name = LIBRARY): NftRunner | undefined {
  const library = load(name)
  return library && { by: 'libnftables', run: (text) => run(library, text) }
}

/**
 * Of all connections of this process: before 1.0.9 the library asks the C library for the names of protocols by functions that share one answer between
 * threads (getprotobynumber(3)), so that of two listings at once either may take the other's `tcp` for its own `udp`.
 */
const TURNS = new Turns()

/**
 * A context is made for each command: what a refused one leaves in it, its picture of the ruleset and the memory of both end with it. All that can take
 * long is done by threads of libuv's pool, in the network namespace of the process; nothing can end it before it comes back.
 */
function run(library: Library, text: string): NftRun {
  return { answer: TURNS.take(() => answerOf(library, text)), abandon: () => undefined }
}

async function answerOf(library: Library, text: string): Promise<NftAnswer> {
  const context = openContext(library)
  const bytes = Buffer.from(`${text}\0`)
  let large = false
  try {
    const result = await inPool<number>((done) => library.run.async(context, bytes, done))
    const output = library.output(context)
    // Looked at only now, so that the thread's bytes are not collected before.
    large = bytes.length > LARGE || output.length > LARGE
    return { done: result === 0, output, words: library.error(context) }
  } finally {
    await inPool((done) => library.free.async(context, done))
    if (large) await inPool((done) => library.trim?.async(0, done) ?? done(undefined, 0))
  }
}

/** A call that is made by a thread of the pool. */
function inPool<T>(begin: (done: (error: unknown, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => begin((error, result) => (error ? reject(error) : resolve(result))))
}

/**
 * The library ends the whole process where it gets no netlink socket (EMFILE, ENOBUFS): so one of ours is opened first, in the same breath. Its own gets
 * the number that this one had, and does not keep itself from programs that are started meanwhile.
 */
function openContext(library: Library): Context {
  const fd = new RawSocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER).release()
  closeSync(fd)
  const context = library.open(NFT_CTX_DEFAULT)
  keepToOurselves(fd)
  library.setOutputFlags(context, NFT_CTX_OUTPUT_JSON)
  if (library.bufferOutput(context) !== 0 || library.bufferError(context) !== 0) {
    library.free(context)
    throw new Error('libnftables has no memory for its answers')
  }
  return context
}

/**
 * Threads of libuv's pool open and close files meanwhile: one may have taken the number, and given it back by now. Then the library's socket has another, and
 * a program that is started before it is closed inherits it, which is no reason to leave nftables unasked.
 */
function keepToOurselves(fd: number): void {
  try {
    closeOnExec(fd)
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === 'EBADF')) throw error
  }
}

function load(name: string): Library | undefined {
  try {
    const library = koffi.load(name)
    return {
      open: library.func('void *nft_ctx_new(uint32_t flags)'),
      free: library.func('void nft_ctx_free(void *context)') as Library['free'],
      setOutputFlags: library.func('void nft_ctx_output_set_flags(void *context, unsigned int flags)'),
      bufferOutput: library.func('int nft_ctx_buffer_output(void *context)'),
      bufferError: library.func('int nft_ctx_buffer_error(void *context)'),
      // Bytes that we hold, not a copy made by koffi.
      run: library.func('int nft_run_cmd_from_buffer(void *context, void *text)') as Library['run'],
      output: library.func('const char *nft_ctx_get_output_buffer(void *context)'),
      error: library.func('const char *nft_ctx_get_error_buffer(void *context)'),
      trim: trimOf(koffi.load(null)),
    }
  } catch {
    return undefined
  }
}

function trimOf(process: ReturnType<typeof koffi.load>): Library['trim'] {
  try {
    return process.func('int malloc_trim(size_t keep)') as NonNullable<Library['trim']>
  } catch {
    return undefined
  }
}
