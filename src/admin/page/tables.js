/** What stands around the services: figures, what needs attention, and the plain tables. */

/** @import { StatusReport, SinkReport, ChangeReport } from '../status-schema.ts' */
import { ageText, clockText, countText, quietTone, shortText, stateText, sumOf, toneOf, wholeText } from './text.js'

/**
 * An element with text alone in it, so that nothing that comes from outside is ever markup.
 * @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {string} [text] @param {string} [className]
 */
export function element(tag, text = '', className = '') {
  const made = document.createElement(tag)
  if (text !== '') made.textContent = text
  if (className !== '') made.className = className
  return made
}

/** Writes only what differs. @param {Element} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** @param {HTMLElement} node @param {string} tone */
export function setTone(node, tone) {
  if (node.dataset['tone'] !== tone) node.dataset['tone'] = tone
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no #${id}.`)
  return found
}

const STATES = /** @type {const} */ (['up', 'unprobed', 'down', 'drain', 'maintenance', 'standby', 'unknown', 'foreign'])

/** @param {StatusReport} report @param {number} now */
export function showFigures(report, now) {
  const { services, started } = report
  /** @type {Map<string, number>} */
  const states = new Map()
  let held = 0
  for (const { backends, sources } of services) {
    for (const source of sources) held += source.held_removals
    for (const { state } of backends) states.set(state, (states.get(state) ?? 0) + 1)
  }
  const rate = (/** @type {'connections' | 'bytes_in' | 'bytes_out'} */ field) =>
    shortText(sumOf(services.map(({ rates }) => rates?.[field])))
  const all = [...states.values()].reduce((sum, count) => sum + count, 0)
  const known = STATES.filter((state) => states.has(state))
  showList([
    ['Services', wholeText(services.length), 'none'],
    ['Backends', wholeText(all), 'none'],
    ...known.map((state) => /** @type {Figure} */ ([stateText(state), wholeText(states.get(state)), toneOf(state)])),
    ['Held removals', wholeText(held), held > 0 ? 'away' : 'none'],
    ['Active connections', wholeText(sumOf(services.map(({ totals }) => totals.active))), 'none'],
    ['New a second', rate('connections'), 'none'],
    ['Bytes/s in', rate('bytes_in'), 'none'],
    ['Bytes/s out', rate('bytes_out'), 'none'],
    ['Running for', ageText(started, now), 'none'],
  ])
}

/** @typedef {[name: string, value: string, tone: string]} Figure */

/** @param {readonly Figure[]} figures */
function showList(figures) {
  const list = byId('figures')
  while (list.children.length > figures.length) list.lastElementChild?.remove()
  for (const [index, [name, value, tone]] of figures.entries()) {
    const group = list.children[index] ?? list.appendChild(element('div'))
    if (group.children.length === 0) group.append(element('dt'), element('dd'))
    const [term, figure] = /** @type {[HTMLElement, HTMLElement]} */ (/** @type {unknown} */ ([...group.children]))
    setText(term, name)
    setText(figure, value)
    setTone(figure, tone)
  }
}

/** @param {StatusReport} report */
export function showHealth({ health, kernel_error: kernelError, shadow, absent_words: absent }) {
  const chip = byId('health')
  setText(chip, health.status === 'not-ready' ? 'not ready' : health.status)
  setTone(chip, toneOf(health.status))
  const lines = health.reasons.map(({ message }) => message)
  if (kernelError !== undefined) lines.unshift(`The kernel could not be asked: ${kernelError}`)
  if (shadow) lines.push('This is a shadow: it tells what it would do, and writes nothing.')
  for (const { service, backend, admin } of absent) {
    lines.push(`The operator said ${admin.state} of ${backend} in ${service}, which is not wanted now.`)
  }
  byId('attention').hidden = lines.length === 0
  const list = byId('reasons')
  const shown = [...list.children].map((line) => line.textContent)
  if (shown.length === lines.length && shown.every((line, index) => line === lines[index])) return
  list.replaceChildren(...lines.map((line) => element('li', line)))
}

/**
 * Rows that are made anew only where their number differs; cells are [text, class, tone].
 * @typedef {readonly [text: string, className?: string, tone?: string]} Cell
 * @param {string} id @param {readonly (readonly Cell[])[]} rows
 */
function showRows(id, rows) {
  const body = byId(id)
  while (body.children.length > rows.length) body.lastElementChild?.remove()
  for (const [index, cells] of rows.entries()) {
    const row = body.children[index] ?? body.appendChild(element('tr'))
    if (row.children.length === 0) row.append(...cells.map((_, column) => element(column === 0 ? 'th' : 'td')))
    for (const [column, [text, className = '', tone = 'none']] of cells.entries()) {
      const cell = /** @type {HTMLElement} */ (row.children[column])
      if (column === 0 && cell.getAttribute('scope') === null) cell.setAttribute('scope', 'row')
      setText(cell, text)
      if (cell.className !== className) cell.className = className
      setTone(cell, tone)
    }
  }
}

/** @param {StatusReport} report @param {number} now @param {(service: string, ...more: string[]) => boolean} isWanted */
export function showSources({ services }, now, isWanted) {
  const rows = services.flatMap(({ service, sources }) =>
    sources
      .filter(({ source, state }) => isWanted(service, source, state))
      .map(
        ({ source, state, since, answered, records, held_removals: held, partial, failure }) =>
          /** @type {Cell[]} */ ([
            [service],
            [source],
            [state, '', toneOf(state)],
            [ageText(since, now), 'number'],
            [answered === undefined ? 'never' : `${ageText(answered, now)} ago`, 'number'],
            [wholeText(records), 'number'],
            [wholeText(held), 'number', held > 0 ? 'away' : 'none'],
            [failure ?? (partial ? 'may lack backends, so that none is removed' : ''), 'wide'],
          ]),
      ),
  )
  showRows('source-rows', rows)
}

/** @param {readonly SinkReport[]} sinks @param {number} now */
export function showSinks(sinks, now) {
  const rows = sinks.map(
    (sink) =>
      /** @type {Cell[]} */ ([
        [sink.sink],
        [sink.state, '', toneOf(sink.state)],
        [`${ageText(sink.last_pass, now)} ago`, 'number'],
        [sink.last_success === undefined ? 'never' : `${ageText(sink.last_success, now)} ago`, 'number'],
        [wholeText(sink.failing_objects), 'number', sink.failing_objects > 0 ? 'bad' : 'none'],
        [wholeText(sink.drift_repaired), 'number'],
        [wholeText(sink.draining), 'number'],
        [wholeText(sink.foreign), 'number'],
        [sink.failure ?? '', 'wide'],
      ]),
  )
  showRows('sink-rows', rows)
}

/** @param {readonly ChangeReport[]} changes @param {number} now @param {(service: string, ...more: string[]) => boolean} isWanted */
export function showChanges(changes, now, isWanted) {
  const rows = changes
    .toReversed()
    .filter(({ service, backend = '', source = '' }) => isWanted(service, backend, source))
    .map(
      (change) =>
        /** @type {Cell[]} */ ([
          [`${ageText(change.at, now)} ago`, 'number'],
          [clockText(change.at), 'time'],
          [change.service],
          [change.backend ?? change.source ?? ''],
          [change.kind],
          [change.from],
          [change.to, '', change.grave ? 'bad' : quietTone(change.to)],
          [[change.cause, ...change.reasons].join(': '), 'wide'],
        ]),
    )
  showRows('change-rows', rows)
}

/** What somebody who does not see the page should hear of: grave changes, many of them as a number. @param {readonly ChangeReport[]} changes */
export function newsOf(changes) {
  const grave = changes.filter((change) => change.grave === true)
  if (grave.length > 3) return `${countText(grave.length, 'change')} for the worse.`
  return grave.map(({ service, backend = '', to }) => `${[service, backend].filter(Boolean).join(' ')}: ${to}.`).join(' ')
}
