import { HIDDEN } from '../model/hidden.ts'
import { urlWithoutSecrets } from '../model/http-source-spec.ts'

/** What follows such a word in the file of another tool is a secret, or may be one. */
export const SECRET = /pass|auth|username|token|secret|credential|api_?key/i

/** A value of the file of another tool as people may see it: addresses in it have neither login nor keys. A password may have an @ itself. */
export function withoutSecrets(text: string): string {
  return urlWithoutSecrets(text).replaceAll(/\/\/[^/\s]*@/g, `//${HIDDEN}@`)
}
