/** Text as man(7) shows it literally: nothing of it is taken for a request or an escape. */
export function roffText(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('…', '...')
    .replaceAll(/^\./gm, '\\&.')
}

export function bold(text: string): string {
  return `\\fB${roffText(text)}\\fR`
}

export function italic(text: string): string {
  return `\\fI${roffText(text)}\\fR`
}

/** An item of a list: what stands at the left, and the text that explains it. */
export function item(label: string, text: string): string {
  return `.TP\n${label}\n${text}`
}

/** `POINTSMAN`, `1`; no date, so that a page changes only with what it describes. */
export function titleLine(title: string, section: number): string {
  return `.\\" Written by "npm run reference"; do not edit.\n.TH ${roffText(title)} ${section} "" "Pointsman" "Pointsman manual"`
}
