import { readdir } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import type { InterfaceAddress, Interfaces } from '../config/parameters/host-address.ts'
import type { Bytes, Listing, Reach, Unreachable } from '../config/reach.ts'
import { isTransient, MAX_DOCUMENT_BYTES, readDocument } from '../document/read.ts'

/** Milliseconds that a web server has for the whole of its answer. A start waits that long at most. */
export const FETCH_TIMEOUT = 5_000

/** What configurations may name of the machine that this process runs on. */
export function realReach({ timeout = FETCH_TIMEOUT }: { readonly timeout?: number } = {}): Reach {
  return { read, list, fetch: (url) => fetchDocument(url, timeout), interfaces: interfacesOfHost }
}

async function read(path: string): Promise<Bytes> {
  const result = await readDocument(path)
  if (result.ok) return result
  const { problem, remedy, transient } = result.issue
  return { ok: false, problem, remedy, ...(transient && { transient }) }
}

async function list(directory: string): Promise<Listing> {
  try {
    return { ok: true, names: await readdir(directory) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    const isNone = code === 'ENOENT' || code === 'ENOTDIR'
    return { ...notListed(code), isNone }
  }
}

function notListed(code: string): Unreachable {
  if (code === 'ENOENT') return unreachable('there is no such directory', 'create it, or correct the path')
  if (code === 'EACCES')
    return unreachable('the directory may not be read by this user', 'make it readable for the user that Pointsman runs as')
  const why = unreachable(`the directory cannot be read (${code})`, 'check the path and its permissions')
  return isTransient(code) ? { ...why, transient: true } : why
}

async function fetchDocument(url: string, timeout: number): Promise<Bytes> {
  const signal = AbortSignal.timeout(timeout)
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json, application/yaml, text/yaml, */*;q=0.5', 'user-agent': 'pointsman' },
      // Whoever may redirect must not choose whose values are believed.
      redirect: 'manual',
      signal,
    })
    if (response.status === 200) return await bodyOf(response)
    await response.body?.cancel().catch(() => {})
    if (response.status >= 300 && response.status < 400)
      return unreachable(`the web server redirects (status ${response.status})`, 'write the address that it leads to')
    const refusal = unreachable(
      `the web server answers with status ${response.status}`,
      'correct the address, or look into the log of the server',
    )
    return response.status >= 500 || BUSY.includes(response.status) ? { ...refusal, transient: true } : refusal
  } catch (error) {
    if (signal.aborted)
      return {
        ...unreachable(`there is no whole answer within ${timeout} ms`, 'look at the server, or put the document into a file'),
        transient: true,
      }
    const { cause } = error as { cause?: { code?: unknown } }
    const why = typeof cause?.code === 'string' ? cause.code : 'no connection'
    return {
      ...unreachable(`the web server cannot be reached (${why})`, 'check the address, and whether the server runs'),
      transient: true,
    }
  }
}

/** Refusals of the moment: too slow, too early, too many. */
const BUSY = [408, 425, 429]

async function bodyOf(response: Response): Promise<Bytes> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array
    size += bytes.length
    // Leaving the loop gives the connection up.
    if (size > MAX_DOCUMENT_BYTES)
      return unreachable(
        `the document has more than ${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`,
        'leave out what no parameter names',
      )
    chunks.push(bytes)
  }
  return { ok: true, bytes: Buffer.concat(chunks) }
}

function unreachable(problem: string, remedy: string): Unreachable {
  return { ok: false, problem, remedy }
}

/** Aliases of the old kind (`eth0:1`) are addresses of their interface. */
function interfacesOfHost(): Interfaces {
  const interfaces: Record<string, InterfaceAddress[]> = {}
  for (const [label, addresses] of Object.entries(networkInterfacesOrNone())) {
    const name = label.replace(/:.*$/, '')
    const known = interfaces[name] ?? []
    interfaces[name] = known
    for (const { family, address } of addresses ?? [])
      known.push({ family: family === 'IPv4' ? 'ipv4' : 'ipv6', address: address.replace(/%.*$/, '') })
  }
  return interfaces
}

function networkInterfacesOrNone(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces()
  } catch {
    // A host that does not say has none: whoever names one is told so, with its place.
    return {}
  }
}
