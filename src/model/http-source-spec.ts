import type { TlsSpec } from './tls-spec.ts'

/** Whom an HTTP server takes us for. The files are absolute and hold the secret alone; they are read anew for each request. */
export type HttpAuthSpec =
  | { readonly kind: 'basic'; readonly username: string; readonly passwordFile: string }
  | { readonly kind: 'bearer'; readonly tokenFile: string }

/** An endpoint list that an HTTP server gives. Times are milliseconds. */
export interface HttpSourceSpec {
  readonly kind: 'http'
  /** Absolute, http, https or http+unix (`http+unix://%2Frun%2Finventory.sock/web.json`), without user name, password and fragment. */
  readonly url: string
  /** What people see in place of `url`, where values from outside of the configuration stand in that. */
  readonly shown?: string
  /** Between two requests. */
  readonly interval: number
  /** For a request as a whole, redirects included. */
  readonly timeout: number
  /** Largest list in bytes, as sent and as unpacked. */
  readonly maxSize: number
  readonly tls?: TlsSpec
  readonly auth?: HttpAuthSpec
}

/** The values of query keys that sound like a secret are not shown: `https://inventory.example/?token=***`. */
export function urlWithoutSecrets(url: string): string {
  return url.replace(/([?&][^=&]*(?:token|secret|pass|key|auth|sig)[^=&]*=)[^&#]+/gi, '$1***')
}

/** The address of a list as people may see it. */
export function shownUrl({ url, shown }: Pick<HttpSourceSpec, 'url' | 'shown'>): string {
  return urlWithoutSecrets(shown ?? url)
}
