/** Pointers that one name may follow: each must lead further to the front, and no server needs more than a few. */
const MOST_POINTERS = 64

/** A name as dig prints it, with the dot at its end, and where what stands behind it begins. Throws a RangeError for bytes that are no name (RFC 1035, 4.1.4). */
export function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  let name = ''
  let at = start
  let end: number | undefined
  for (let pointers = 0; ; ) {
    const length = message.readUInt8(at)
    if (length === 0) return { name: name || '.', end: end ?? at + 1 }
    if (length < 64) {
      name += `${labelText(slice(message, at + 1, length))}.`
      at += 1 + length
      // 255 bytes on the wire, each of which may be printed as four characters.
      if (name.length > 1_020) throw new RangeError('the name is too long')
      continue
    }
    const target = message.readUInt16BE(at) & 0x3fff
    if (length < 0xc0 || target >= at || ++pointers > MOST_POINTERS) throw new RangeError('the name leads nowhere')
    end ??= at + 2
    at = target
  }
}

/** Where what stands behind a name begins. */
export function skipName(message: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = message.readUInt8(at)
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    at += 1 + length
  }
}

/** Bytes that must all be there. */
export function slice(message: Buffer, at: number, length: number): Buffer {
  if (at + length > message.length) throw new RangeError('the message ends too early')
  return message.subarray(at, at + length)
}

/** Bytes of a label; those with a meaning in zone files stand behind a backslash (RFC 1035, 5.1). */
function labelText(label: Buffer): string {
  return Array.from(label, (byte) => {
    const character = String.fromCharCode(byte)
    if (byte < 0x21 || byte > 0x7e) return decimal(byte)
    return '."$();@\\'.includes(character) ? `\\${character}` : character
  }).join('')
}

/** `\009`: a byte that cannot be printed. */
export function decimal(byte: number): string {
  return `\\${String(byte).padStart(3, '0')}`
}
