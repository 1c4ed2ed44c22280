/** Services and their backends: one table for each service, made once and kept current cell by cell. */

/** @import { BackendReport, ServiceReport } from '../status-schema.ts' */
import { chainOf } from './chain.js'
import { element, setText, setTone } from './tables.js'
import {
  ageText,
  countText,
  downtimeText,
  durationText,
  hasBeenDown,
  isProblem,
  quietTone,
  shortText,
  stateText,
  toneOf,
  troublesOf,
  wholeText,
} from './text.js'

/** @typedef {{ text: string, tone?: string, title?: string }} Shown */
/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} head
 * @property {string} [title] what the short head means
 * @property {boolean} [number]
 * @property {(backend: BackendReport, now: number) => Shown} of
 * @property {(service: ServiceReport, now: number) => string} [total]
 */

/** @param {number | undefined | null} value @returns {Shown} */
const whole = (value) => ({ text: wholeText(value), tone: value === 0 ? 'zero' : 'none' })

/** Of whom no probe asks nothing is known, unless one did before. @param {BackendReport} backend @param {Shown} shown @returns {Shown} */
const asked = ({ operational, times_down: times }, shown) =>
  operational.state === 'unprobed' && times === 0 ? { text: '–', tone: 'zero' } : shown

/** @param {number | undefined} value @returns {Shown} */
const short = (value) => ({ text: shortText(value), tone: value === 0 ? 'zero' : 'none' })

/** @param {string} name @param {string} head @param {string} title @param {'connections' | 'packets_in' | 'packets_out' | 'bytes_in' | 'bytes_out'} field @returns {Column} */
const rateColumn = (name, head, title, field) => ({
  name,
  head,
  title,
  number: true,
  of: ({ rates }) => short(rates?.[field]),
  total: ({ rates }) => shortText(rates?.[field]),
})

/** @param {'active' | 'inactive' | 'persistent'} name @param {string} head @param {string} title @returns {Column} */
const countColumn = (name, head, title) => ({
  name,
  head,
  title,
  number: true,
  of: ({ kernel }) => whole(kernel?.[name]),
  total: ({ totals }) => wholeText(totals[name]),
})

/** @type {readonly Column[]} */
export const COLUMNS = [
  { name: 'state', head: 'State', of: ({ state }) => ({ text: stateText(state), tone: toneOf(state) }) },
  { name: 'since', head: 'Since', number: true, of: ({ since }, now) => ({ text: ageText(since, now), title: since ?? '' }) },
  {
    name: 'admin',
    head: 'Admin',
    title: 'What the operator said',
    of: ({ admin }) => ({
      text: `${stateText(admin.state)}${admin.weight === undefined ? '' : ` w${admin.weight.weight}`}`,
      tone: quietTone(admin.state),
    }),
  },
  {
    name: 'discovered',
    head: 'Listed',
    title: 'What its sources say',
    of: ({ discovered }) => ({
      text: stateText(discovered.state),
      tone: quietTone(discovered.state),
      title: discovered.by ?? '',
    }),
  },
  {
    name: 'operational',
    head: 'Probes',
    title: 'What our probes find',
    of: ({ operational }) => ({ text: stateText(operational.state), tone: quietTone(operational.state) }),
  },
  {
    name: 'weight',
    head: 'Weight',
    title: 'The weight that it should have',
    number: true,
    of: ({ weight }) => whole(weight),
    total: ({ totals }) => wholeText(totals.weight),
  },
  {
    name: 'kernel',
    head: 'Kernel',
    title: 'The weight that the kernel has',
    number: true,
    of: ({ kernel, weight }) =>
      kernel === undefined
        ? { text: '?', tone: 'away', title: 'The kernel could not be asked' }
        : { ...whole(kernel?.weight), ...((kernel?.weight ?? 0) !== (weight ?? 0) && { tone: 'away' }) },
    total: ({ totals }) => wholeText(totals.kernel_weight),
  },
  countColumn('active', 'Active', 'Active connections'),
  countColumn('inactive', 'Inact.', 'Inactive connections'),
  countColumn('persistent', 'Persist.', 'Clients that persistence binds to it'),
  rateColumn('connections', 'Conn/s', 'New connections a second', 'connections'),
  rateColumn('packets-in', 'Pkt/s in', 'Packets a second from clients', 'packets_in'),
  rateColumn('packets-out', 'Pkt/s out', 'Packets a second to clients', 'packets_out'),
  rateColumn('bytes-in', 'Bytes/s in', 'Bytes a second from clients', 'bytes_in'),
  rateColumn('bytes-out', 'Bytes/s out', 'Bytes a second to clients', 'bytes_out'),
  {
    name: 'check',
    head: 'Last check',
    title: "Result in HAProxy's words, how long it took, how long ago",
    of: ({ check, failed_probes: failures }, now) =>
      check === undefined
        ? { text: '–', tone: 'zero' }
        : {
            text: `${check.code} ${durationText(check.duration_seconds)}, ${ageText(check.at, now)}`,
            tone: check.result === 'passed' ? 'none' : check.result === 'failed' ? 'bad' : 'away',
            title: `${check.kind}${check.message === undefined ? '' : `: ${check.message}`} (${countText(failures, 'probe')} failed so far)`,
          },
  },
  {
    name: 'downs',
    head: 'Downs',
    title: 'How often probes found it down since the daemon began; below: how often nobody served',
    number: true,
    of: (backend) => asked(backend, whole(backend.times_down)),
    total: ({ times_down: times }) => wholeText(times),
  },
  {
    name: 'downtime',
    head: 'Down for',
    title: 'How long probes found it down since the daemon began; below: how long nobody served',
    number: true,
    of: (backend, now) =>
      asked(backend, { text: downtimeText(backend.downtime, now), tone: hasBeenDown(backend.downtime) ? 'none' : 'zero' }),
    total: ({ downtime }, now) => downtimeText(downtime, now),
  },
  { name: 'why', head: 'Why', of: ({ reasons }) => ({ text: reasons[0] ?? '', title: reasons.join('\n') }) },
]

let chains = 0

/** A backend's row, and below it, while it is open, why it has its weight. */
class Row {
  /** @param {BackendReport} backend */
  constructor(backend) {
    this.backend = backend
    this.root = element('tr')
    this.button = element('button', backend.backend, 'why')
    this.button.type = 'button'
    this.button.setAttribute('aria-expanded', 'false')
    const head = element('th')
    head.scope = 'row'
    head.append(this.button)
    this.cells = COLUMNS.map(({ name, number }) => element('td', '', `${name}${number ? ' number' : ''}`))
    this.root.append(head, ...this.cells)
    /** @type {HTMLTableRowElement | undefined} */
    this.chain = undefined
    this.button.addEventListener('click', () => this.toggle())
    /** @type {ServiceReport | undefined} */
    this.service = undefined
    this.now = 0
  }

  /** @param {ServiceReport} service @param {BackendReport} backend @param {number} now */
  show(service, backend, now) {
    this.service = service
    this.backend = backend
    this.now = now
    setTone(this.root, toneOf(backend.state))
    for (const [index, { of }] of COLUMNS.entries()) {
      const cell = this.cells[index]
      if (cell === undefined) continue
      const { text, tone = 'none', title = '' } = of(backend, now)
      setText(cell, text)
      setTone(cell, tone)
      if (cell.title !== title) cell.title = title
    }
    if (this.chain !== undefined) this.fill(this.chain)
  }

  toggle() {
    if (this.chain !== undefined) {
      this.chain.remove()
      this.chain = undefined
    } else {
      this.chain = element('tr', '', 'chain')
      chains += 1
      this.chain.id = `why-${chains}`
      const cell = element('td')
      // On a narrow screen most columns are not there.
      cell.colSpan = [...this.root.cells].filter((each) => each.offsetParent !== null).length
      cell.append(element('dl'))
      this.chain.append(cell)
      this.fill(this.chain)
      this.root.after(this.chain)
      this.button.setAttribute('aria-controls', this.chain.id)
    }
    this.button.setAttribute('aria-expanded', String(this.chain !== undefined))
  }

  /** @param {HTMLTableRowElement} chain */
  fill(chain) {
    const list = chain.querySelector('dl')
    if (list === null || this.service === undefined) return
    const steps = chainOf(this.service, this.backend, this.now)
    while (list.children.length > steps.length * 2) list.lastElementChild?.remove()
    for (const [index, [step, text]] of steps.entries()) {
      if (list.children.length < index * 2 + 2) list.append(element('dt'), element('dd'))
      setText(/** @type {Element} */ (list.children[index * 2]), step)
      setText(/** @type {Element} */ (list.children[index * 2 + 1]), text)
    }
  }

  /** @param {boolean} hidden */
  hide(hidden) {
    this.root.hidden = hidden
    if (this.chain !== undefined) this.chain.hidden = hidden
  }
}

/** A service: what it is called, how it stands, and the table of its backends, which is made when it is opened. */
export class ServiceView {
  /** @param {ServiceReport} service @param {boolean} open */
  constructor(service, open) {
    this.service = service
    this.root = element('details', '', 'service')
    this.root.open = open
    this.name = element('h3')
    this.key = element('span', '', 'key')
    this.serving = element('span', '', 'serving')
    this.troubles = element('span', '', 'troubles')
    this.summary = element('summary')
    this.summary.append(this.name, this.key, this.serving, this.troubles)
    this.table = element('table', '', 'backends')
    this.root.append(this.summary, this.table)
    this.body = element('tbody')
    /** @type {Map<string, Row>} */
    this.rows = new Map()
    /** @type {HTMLTableCellElement[]} */
    this.totals = []
    this.now = 0
    this.drawn = false
    /** @type {(backend: BackendReport) => boolean} */
    this.wanted = () => true
    this.root.addEventListener('toggle', () => this.root.open && this.draw())
  }

  /** @param {ServiceReport} service @param {number} now */
  show(service, now) {
    this.service = service
    this.now = now
    const { totals, scheduler } = service
    setText(this.name, service.service)
    setText(this.key, `${service.key}  ${scheduler}`)
    setText(
      this.serving,
      totals.backends === 0 ? 'no backends' : `${totals.serving} of ${countText(totals.backends, 'backend')} serving`,
    )
    setTone(this.serving, totals.backends > 0 && totals.serving === 0 ? 'bad' : 'none')
    setText(this.troubles, troublesOf(service).join(' · '))
    if (this.root.open) this.draw()
  }

  draw() {
    if (!this.drawn) this.frame()
    const { service, now } = this
    const gone = new Set(this.rows.keys())
    /** @type {Element | null} */
    let place = this.body.firstElementChild
    for (const backend of service.backends) {
      gone.delete(backend.backend)
      const row = this.rows.get(backend.backend) ?? new Row(backend)
      this.rows.set(backend.backend, row)
      if (place === row.root) place = (row.chain ?? row.root).nextElementSibling
      else this.body.insertBefore(row.root, place)
      row.show(service, backend, now)
      row.hide(!this.wanted(backend))
    }
    for (const key of gone) {
      const row = this.rows.get(key)
      row?.root.remove()
      row?.chain?.remove()
      this.rows.delete(key)
    }
    for (const [index, { total }] of COLUMNS.entries()) {
      const cell = this.totals[index]
      if (cell !== undefined && total !== undefined) setText(cell, total(service, now))
    }
  }

  /** Head, foot and caption of the table. */
  frame() {
    this.drawn = true
    const head = element('tr')
    const named = element('th', 'Backend')
    named.scope = 'col'
    head.append(named)
    const foot = element('tr')
    const all = element('th', 'Total')
    all.scope = 'row'
    foot.append(all)
    for (const { name, head: text, title = '', number } of COLUMNS) {
      const cell = element('th', text, `${name}${number ? ' number' : ''}`)
      cell.scope = 'col'
      if (title !== '') cell.title = title
      head.append(cell)
      const total = element('td', '', `${name}${number ? ' number' : ''}`)
      this.totals.push(total)
      foot.append(total)
    }
    const [thead, tfoot] = [element('thead'), element('tfoot')]
    thead.append(head)
    tfoot.append(foot)
    const caption = element('caption', `Backends of ${this.service.service}`, 'unseen')
    this.table.append(caption, thead, this.body, tfoot)
  }

  /**
   * Shows what is wanted of it; gives how many backends that are.
   * @param {(service: ServiceReport) => boolean} whole whether all of it is wanted by its name
   * @param {(backend: BackendReport) => boolean} wanted
   * @param {boolean} problems whether only problems are wanted
   */
  filter(whole, wanted, problems) {
    const all = whole(this.service)
    this.wanted = (backend) => (all || wanted(backend)) && (!problems || isProblem(backend))
    const shown = this.service.backends.filter(this.wanted).length
    const troubled = problems && all && troublesOf(this.service).length > 0
    this.root.hidden = shown === 0 && !troubled && (problems || !all)
    for (const row of this.rows.values()) row.hide(!this.wanted(row.backend))
    return shown
  }
}
