/** What stands in place of what may be a secret. */
export const HIDDEN = '***'
