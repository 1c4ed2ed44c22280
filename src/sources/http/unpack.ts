import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib'
import { ownEntry } from '../../document/own-entry.ts'
import { invalid, type Trouble, unreadable } from './trouble.ts'

/** What is asked for: `Accept-Encoding`. */
export const ENCODINGS = 'gzip, deflate, br'

type Unpack = (packed: Uint8Array, options: ZlibOptions) => Promise<Uint8Array>

const UNPACK: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  // Some servers leave out the frame of zlib that the name stands for (RFC 9110, section 8.4.1.2).
  deflate: (packed, options) => promisify(((packed[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw)(packed, options),
  br: promisify(brotliDecompress),
}

/** The sentence for a list that is larger than `limit` bytes. */
export function tooLarge(limit: number, how: string): Trouble {
  return unreadable(`the list has more than ${limit} bytes${how}`, 'make it smaller, or write a larger max_size')
}

/** The body without its content encoding. What unpacks to more than `limit` bytes is given up at that size. */
export async function unpack(body: Uint8Array, encoding: string | undefined, limit: number): Promise<Uint8Array | Trouble> {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return body
  const unpackIt = ownEntry(UNPACK, name)
  if (unpackIt === undefined)
    return invalid(`the content encoding ${JSON.stringify(name)} is not known`, `answer with ${ENCODINGS} or none`)
  try {
    return await unpackIt(body, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(limit, ' when it is unpacked')
    return invalid(`the body is not whole ${name}`, 'look into the log of the server')
  }
}
