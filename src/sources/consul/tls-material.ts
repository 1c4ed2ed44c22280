import type { ConnectionOptions } from 'node:tls'
import type { TlsSpec } from '../../model/tls-spec.ts'
import { ConsulFault } from './fault.ts'
import { readSecretFile, whyUnread } from './secret-file.ts'

/** The options of a TLS connection, with the files as they are now. Rejects with a ConsulFault when one cannot be read. */
export async function tlsMaterial(tls: TlsSpec): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(readPem))
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
}

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined
  try {
    return await readSecretFile(path)
  } catch (error) {
    throw new ConsulFault('SOURCE_UNREADABLE', `${path}: the file cannot be read (${whyUnread(error)}); correct tls`)
  }
}
