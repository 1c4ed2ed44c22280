import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const CSS = readFileSync('src/admin/page/page.css', 'utf8')
const [light = '', dark = ''] = [...CSS.matchAll(/:root \{(.*?)\}/gs)].map(([, text]) => text)

type Colour = readonly [red: number, green: number, blue: number]

function coloursIn(text: string): Record<string, Colour> {
  const hex = (pair: string) => Number.parseInt(pair, 16)
  return Object.fromEntries(
    [...text.matchAll(/--(\w+): #(..)(..)(..);/g)].map(([, name = '', r = '', g = '', b = '']) => [
      name,
      [hex(r), hex(g), hex(b)],
    ]),
  )
}

/** WCAG 2.2, relative luminance. */
function luminance(colour: Colour): number {
  const [r = 0, g = 0, b = 0] = colour.map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: Colour, b: Colour): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

function mixed(a: Colour, b: Colour, share: number): Colour {
  const at = (index: 0 | 1 | 2) => a[index] * share + b[index] * (1 - share)
  return [at(0), at(1), at(2)]
}

describe.each([
  ['light', light],
  ['dark', dark],
])('%s', (_, text) => {
  const colours = coloursIn(text)
  const named = (name: string): Colour => colours[name] ?? [0, 0, 0]
  const tint = Number(/--tint: (\d+)%/.exec(text)?.[1]) / 100
  const grounds: [string, Colour][] = [
    ...['page', 'card', 'head'].map((name): [string, Colour] => [name, named(name)]),
    ...['bad', 'leaving', 'away'].map((name): [string, Colour] => [`row ${name}`, mixed(named(name), named('card'), tint)]),
  ]
  const INKS = ['text', 'muted', 'quiet', 'accent', 'good', 'bad', 'leaving', 'away']

  test('every text can be read on every ground (4.5 to 1), and edges of fields can be seen (3 to 1)', () => {
    expect(INKS.filter((ink) => colours[ink] === undefined)).toEqual([])
    const weak = grounds.flatMap(([ground, colour]) =>
      INKS.filter((ink) => contrast(named(ink), colour) < 4.5).map(
        (ink) => `${ink} on ${ground}: ${contrast(named(ink), colour)}`,
      ),
    )
    expect(weak).toEqual([])
    expect(contrast(named('edge'), named('card'))).toBeGreaterThan(3)
  })
})
