declare const brand: unique symbol

/** A string that only its own parser makes: two brands never mix although both are plain text at run time. */
export type Brand<T, B extends string> = T & { readonly [brand]: B }
