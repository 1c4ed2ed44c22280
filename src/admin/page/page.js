/** The status page: it follows the daemon's events and keeps what is shown current. It asks for nothing else and changes nothing. */

/** @import { BackendReport, ServiceReport, StatusReport } from '../status-schema.ts' */
import { applied, inOrder } from './report.js'
import { ServiceView } from './rows.js'
import {
  byId,
  element,
  newsOf,
  setText,
  setTone,
  showChanges,
  showFigures,
  showHealth,
  showSinks,
  showSources,
} from './tables.js'
import { clockText, countText } from './text.js'

/** Rows that are drawn at once; services beyond them begin closed. */
const DRAWN = 1_500

/** Milliseconds without a word after which the stream counts as broken; the daemon is never silent for so long. */
const SILENCE = 25_000

/** Milliseconds between two tries to connect, and between two sentences for screen readers. */
const RETRY = 3_000
const NEWS = 5_000

/** Milliseconds after which ages are written anew. */
const AGEING = 900

/** @typedef {StatusReport & { revision: number }} Known */

/** @type {Known | undefined} */
let report
/** How much the clock of the daemon is ahead of ours, in milliseconds. */
let ahead = 0
let heardAt = Date.now()
/** @type {Map<string, ServiceView>} */
const views = new Map()
/** @type {import('../status-schema.ts').ChangeReport[]} */
let unsaid = []
let saidAt = 0
let drawnAt = 0

const filter = /** @type {HTMLInputElement} */ (byId('filter'))
const problems = /** @type {HTMLInputElement} */ (byId('problems'))
const fold = byId('fold')

const now = () => Date.now() + ahead

function connect() {
  const stream = new EventSource('api/v1/events')
  stream.addEventListener('status', ({ data }) => {
    heard()
    report = inOrder(/** @type {Known} */ (JSON.parse(data)))
    take(report.at)
    drawAll()
  })
  stream.addEventListener('delta', ({ data }) => {
    heard()
    const delta = JSON.parse(data)
    if (report === undefined || delta.from !== report.revision) return again(stream)
    report = applied(report, delta)
    take(delta.at)
    unsaid = document.hidden ? [] : [...unsaid, ...(delta.changes ?? [])]
    draw(new Set((delta.services ?? []).map((/** @type {{ key: string }} */ { key }) => key)))
  })
  stream.addEventListener('alive', heard)
  stream.addEventListener('open', heard)
  stream.addEventListener('error', () => {
    showLive()
    // The browser itself tries again unless the daemon refused.
    if (stream.readyState === EventSource.CLOSED) again(stream)
  })
  return stream
}

let stream = connect()

/** @param {EventSource} broken */
function again(broken) {
  broken.close()
  setTimeout(() => {
    stream = connect()
  }, RETRY)
}

function heard() {
  heardAt = Date.now()
  showLive()
}

/** @param {string} at */
function take(at) {
  ahead = Date.parse(at) - Date.now()
}

function showLive() {
  const open = stream.readyState === EventSource.OPEN && Date.now() - heardAt < SILENCE
  const live = byId('live')
  setText(live, open ? 'live' : report === undefined ? 'connecting' : `not connected; as of ${clockText(report.at)}`)
  setTone(live, open ? 'good' : 'bad')
  document.body.classList.toggle('stale', !open && report !== undefined)
}

function drawAll() {
  if (report === undefined) return
  draw(new Set(report.services.map(({ key }) => key)))
}

/** @param {ReadonlySet<string>} changed keys of services */
function draw(changed) {
  if (report === undefined) return
  const { services, instance, version, commit } = report
  document.title = `${report.health.status === 'ready' ? '' : '! '}Pointsman ${location.host}`
  // Of a page that nobody sees the title is enough; it is drawn when somebody does.
  if (document.hidden) return
  drawnAt = Date.now()
  setText(byId('instance'), instance === 'pointsman' ? location.host : `${instance} · ${location.host}`)
  setText(byId('about'), `Pointsman ${version}${commit === undefined ? '' : ` (${commit.slice(0, 12)})`}, instance ${instance}`)
  showHealth(report)
  place(services)
  for (const service of services) {
    const view = views.get(service.key)
    // Ages go on in all that is to be seen.
    if (view !== undefined && (view.root.open || changed.has(service.key))) view.show(service, now())
  }
  choose()
  sayNews()
}

/** Puts the services into their order, and away those that are gone. @param {readonly ServiceReport[]} services */
function place(services) {
  const list = byId('service-list')
  const gone = new Set(views.keys())
  let drawn = 0
  /** @type {Element | null} */
  let spot = list.firstElementChild
  for (const service of services) {
    gone.delete(service.key)
    drawn += service.backends.length
    const view = views.get(service.key) ?? new ServiceView(service, drawn <= DRAWN)
    if (!views.has(service.key)) {
      views.set(service.key, view)
      view.show(service, now())
    }
    if (spot === view.root) spot = spot.nextElementSibling
    else list.insertBefore(view.root, spot)
  }
  for (const key of gone) {
    views.get(key)?.root.remove()
    views.delete(key)
  }
}

/** Shows what the filter and the switch ask for. */
function choose() {
  if (report === undefined) return
  const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
  const fits = (/** @type {readonly string[]} */ texts) => {
    if (words.length === 0) return true
    const text = texts.join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  }
  const total = report.services.reduce((sum, { backends }) => sum + backends.length, 0)
  let shown = 0
  let services = 0
  for (const { key } of report.services) {
    const view = views.get(key)
    if (view === undefined) continue
    const { service } = view
    shown += view.filter(
      () => fits([service.service, service.key, service.scheduler]),
      (backend) => fits([service.service, service.key, ...backendWords(backend)]),
      problems.checked,
    )
    if (!view.root.hidden) services += 1
  }
  const narrowed = words.length > 0 || problems.checked
  setText(byId('shown'), narrowed ? `${countText(shown, 'backend')} of ${total.toLocaleString('en')}` : '')
  const empty = byId('empty')
  empty.hidden = services > 0
  setText(empty, report.services.length === 0 ? 'No service is wanted.' : narrowed ? 'Nothing is like that.' : '')
  showAround((/** @type {string[]} */ ...texts) => fits(texts))
}

/** @param {BackendReport} backend */
function backendWords({ backend, state, admin, discovered, operational }) {
  return [backend, state, admin.state, discovered.state, discovered.by ?? '', operational.state]
}

/** What has ages in it besides the services. @param {(service: string, ...more: string[]) => boolean} isWanted */
function showAround(isWanted) {
  if (report === undefined) return
  showFigures(report, now())
  showSources(report, now(), isWanted)
  showSinks(report.sinks, now())
  showChanges(report.changes, now(), isWanted)
}

/** Ages go on although nothing changes. */
function age() {
  showLive()
  if (report === undefined || document.hidden || Date.now() - drawnAt < AGEING) return
  drawnAt = Date.now()
  for (const view of views.values()) if (view.root.open && !view.root.hidden) view.show(view.service, now())
  choose()
  sayNews()
}

/** Not more often than a voice can follow. */
function sayNews() {
  if (unsaid.length === 0 || Date.now() - saidAt < NEWS) return
  const said = newsOf(unsaid)
  unsaid = []
  if (said === '') return
  saidAt = Date.now()
  byId('news').replaceChildren(element('span', said))
}

document.addEventListener('visibilitychange', drawAll)
filter.addEventListener('input', choose)
problems.addEventListener('change', choose)

fold.addEventListener('click', () => {
  const close = fold.textContent === 'Collapse all'
  for (const view of views.values()) view.root.open = !close
  setText(fold, close ? 'Expand all' : 'Collapse all')
})

/** `/` goes to the filter, Escape empties it, and the arrows go from backend to backend. */
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { target } = event
  if (event.key === '/' && target !== filter) {
    event.preventDefault()
    filter.focus()
  } else if (event.key === 'Escape' && target === filter) {
    filter.value = ''
    choose()
  } else if (
    (event.key === 'ArrowDown' || event.key === 'ArrowUp') &&
    target instanceof Element &&
    target.matches('button.why')
  ) {
    event.preventDefault()
    step(target, event.key === 'ArrowDown' ? 1 : -1)
  }
})

/** @param {Element} from @param {number} by */
function step(from, by) {
  const buttons = /** @type {HTMLElement[]} */ ([
    ...document.querySelectorAll('details[open]:not([hidden]) tr:not([hidden]) button.why'),
  ])
  buttons[buttons.indexOf(/** @type {HTMLElement} */ (from)) + by]?.focus()
}

/** Heads of tables stay below the bar, however high it is. */
const bar = /** @type {HTMLElement} */ (document.querySelector('.bar'))
new ResizeObserver(() => document.documentElement.style.setProperty('--bar', `${bar.offsetHeight}px`)).observe(bar)

setInterval(age, 1_000)
