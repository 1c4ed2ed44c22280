/** What a table has under a name that somebody else wrote: `constructor` and the like are not what every object inherits. */
export function ownEntry<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
