import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAdminServer } from '../../../src/admin/server.ts'
import { StatusFeed } from '../../../src/admin/status-feed.ts'
import { type BusyDaemon, busyDaemon, largeDaemon, REFUSED } from '../../support/watching/busy-daemon.ts'
import { backendReport, serviceReport, statusReport } from '../../unit/admin/reports.ts'
import type { DaemonRig } from '../../unit/daemon/rig.ts'
import { startChromium } from './chromium.ts'

/** Where to put pictures for the documentation; absent: nowhere. */
const PICTURES = process.env['POINTSMAN_PICTURES']
/** What is seen in them. */
const LISTS = '/tmp/pools'

let browser: Browser

beforeAll(async () => {
  browser = await startChromium(['evil.example'])
})

afterAll(() => browser?.close())

interface Seen {
  readonly page: Page
  /** What the console complained of, and requests to other origins. */
  readonly faults: string[]
}

async function look(
  daemon: DaemonRig,
  options: { readonly colorScheme?: 'light' | 'dark'; readonly path?: string } = {},
): Promise<Seen> {
  const { colorScheme = 'light', path = '/' } = options
  const context = await browser.newContext({ colorScheme, viewport: { width: 1440, height: 1030 }, reducedMotion: 'reduce' })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const faults: string[] = []
  const home = `http://127.0.0.1:${daemon.port}`
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('request', (request) => !request.url().startsWith(`${home}/`) && faults.push(request.url()))
  await page.goto(`${home}${path}`)
  await page.getByText('live', { exact: true }).waitFor()
  return { page, faults }
}

/** A backend's row of the page. */
const row = (page: Page, backend: string) =>
  page.getByRole('row').filter({ has: page.getByRole('button', { name: backend, exact: true }) })

describe('a director on an ordinary day', () => {
  let daemon: BusyDaemon

  // Its end comes with the test that began it: one test has one daemon, and the page is looked at in many ways.
  test('the page shows how everything stands, live, in both colours, and can be used without a mouse', async () => {
    if (PICTURES !== undefined) mkdirSync(LISTS, { recursive: true })
    daemon = await busyDaemon(PICTURES === undefined ? undefined : LISTS)
    const { page, faults } = await look(daemon)
    const texts = async (backend: string) =>
      (await row(page, backend).getByRole('cell').allTextContents()).map((text) => text.trim())

    // States, reasons, weights.
    await row(page, '10.0.1.13:8443').waitFor()
    expect((await texts('10.0.1.13:8443'))[0]).toBe('down')
    expect((await texts('10.0.1.13:8443')).join(' | ')).toMatch(/L4CON/)
    expect((await texts('10.0.1.14:8443'))[0]).toBe('drain')
    expect((await texts('10.0.2.13:8080'))[0]).toBe('maint')
    expect((await texts('10.0.3.1:53'))[0]).toBe('no check')
    expect(await page.locator('#attention').innerText()).toMatch(/Removals held for api/)
    expect(await page.locator('#instance').innerText()).toBe(`edge · 127.0.0.1:${daemon.port}`)
    await page.getByRole('table', { name: 'Backends of web' }).waitFor()

    // Rates come with the second look.
    await expect.poll(async () => (await texts('10.0.1.11:8443'))[10], { timeout: 15_000 }).toMatch(/^\d/)

    // What screen readers are told.
    const tree = await page.locator('body').ariaSnapshot()
    for (const name of ['Backends of web', 'Backends of api', 'Sources of all services', 'What is written to the kernel']) {
      expect(tree).toContain(`table "${name}"`)
    }
    expect(tree).toContain('columnheader "Backend"')
    expect(tree).toContain('rowheader "10.0.1.13:8443"')

    if (PICTURES !== undefined) {
      await page.waitForTimeout(6_000)
      await page.screenshot({ path: join(PICTURES, 'status-page-light.png') })
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.screenshot({ path: join(PICTURES, 'status-page-dark.png') })
      await page.emulateMedia({ colorScheme: 'light' })
    }

    // A backend goes down and comes back, without a reload.
    await page.evaluate(() => Object.assign(globalThis, { untouched: true }))
    daemon.host.probes.set('10.0.1.11:8443', REFUSED)
    await expect.poll(async () => (await texts('10.0.1.11:8443'))[0], { timeout: 15_000 }).toBe('down')
    await expect.poll(() => page.locator('#news').textContent(), { timeout: 15_000 }).toContain('10.0.1.11:8443: down')
    expect(await page.locator('#change-rows tr').first().innerText()).toMatch(/web|mail|api/)
    daemon.host.probes.delete('10.0.1.11:8443')
    await expect.poll(async () => (await texts('10.0.1.11:8443'))[0], { timeout: 15_000 }).toBe('up')

    // How often it was down, and for how long; of one that is down still that goes on.
    const outages = async (backend: string) =>
      Promise.all(['downs', 'downtime'].map((name) => row(page, backend).locator(`td.${name}`).innerText()))
    expect(await outages('10.0.1.11:8443')).toEqual(['1', expect.stringMatching(/^\d+s$/)])
    expect(await outages('10.0.1.12:8443')).toEqual(['0', '0s'])
    expect(await outages('10.0.3.1:53')).toEqual(['–', '–'])
    const [, before = ''] = await outages('10.0.1.13:8443')
    await expect
      .poll(async () => Number.parseInt((await outages('10.0.1.13:8443'))[1] ?? '', 10))
      .toBeGreaterThan(Number.parseInt(before, 10))
    expect(await page.evaluate(() => 'untouched' in globalThis)).toBe(true)

    // What a backend says is text and never markup.
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    daemon.host.probes.set('10.0.4.1:25', { outcome: 'failed', failure: 'wrong-answer', message: hostile })
    await page.getByRole('button', { name: '10.0.4.1:25', exact: true }).click()
    await page.locator('.chain').getByText(hostile).first().waitFor()
    expect(await page.locator('main img, main script').count()).toBe(0)

    // Without a mouse: / to the filter, Escape empties it, Enter opens the reasons, arrows go on.
    await page.keyboard.press('/')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('filter')
    await page.keyboard.type('api')
    await expect.poll(() => page.locator('details.service:visible').count()).toBe(1)
    expect(await page.locator('#shown').innerText()).toMatch(/^5 backends of /)
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator('details.service:visible').count()).toBe(5)
    await page.getByRole('button', { name: '10.0.2.11:8080', exact: true }).focus()
    await page.keyboard.press('Enter')
    const chain = page.locator('tr.chain:visible', { hasText: 'api.yaml' })
    await chain.waitFor()
    expect(await chain.innerText()).toMatch(/Wanted\s+weight 1/)
    await page.keyboard.press('ArrowDown')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('10.0.2.12:8080')
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle)
    expect(outline).toBe('solid')

    // Only problems.
    await page.getByLabel('Only problems').check()
    await expect.poll(() => row(page, '10.0.3.1:53').isVisible()).toBe(false)
    expect(await row(page, '10.0.1.13:8443').isVisible()).toBe(true)
    await page.getByLabel('Only problems').uncheck()
    await page.getByRole('button', { name: 'Collapse all' }).click()
    await expect.poll(() => page.locator('details.service[open]').count()).toBe(0)
    await page.getByRole('button', { name: 'Expand all' }).click()

    // Light and dark.
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.emulateMedia({ colorScheme: 'light' })
    const light = await ground()
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await ground()).not.toBe(light)

    // The head of a table stays in sight below the bar.
    await page.evaluate(() => window.scrollTo(0, 420))
    const bar = await page.locator('.bar').boundingBox()
    expect(bar?.y).toBe(0)

    // The daemon goes, and the page says so. Only then is there anything for the console.
    expect(faults).toEqual([])
    await daemon.stop()
    await page.getByText(/not connected; as of \d\d:/).waitFor()
  })
})

test('on a phone a table fits, and a press shows what it leaves out', async () => {
  const daemon = await largeDaemon()
  const { page, faults } = await look(daemon)
  await page.setViewportSize({ width: 390, height: 844 })
  const backend = page.getByRole('button', { name: '10.2.0.1:80', exact: true })
  await backend.waitFor()
  const widest = () => page.evaluate(() => document.documentElement.scrollWidth)
  expect(await widest()).toBeLessThanOrEqual(390)
  const heads = page.locator('.backends').first().locator('thead th:visible')
  expect(await heads.allInnerTexts()).toEqual(['Backend', 'State', 'Since', 'Weight', 'Active'])
  await backend.focus()
  await page.keyboard.press('Enter')
  const chain = page.locator('tr.chain:visible')
  expect(await chain.innerText()).toMatch(/Wanted\s+weight 1[\s\S]*Kernel\s+weight 1/)
  expect(await widest()).toBeLessThanOrEqual(390)
  const [table, cell] = await Promise.all([page.locator('.backends').first().boundingBox(), chain.locator('td').boundingBox()])
  expect(cell?.width).toBeCloseTo(table?.width ?? 0, 0)
  expect(faults).toEqual([])
})

test('a thousand backends are drawn, filtered and kept current', async () => {
  const daemon = await largeDaemon()
  const { page, faults } = await look(daemon)
  await expect.poll(() => page.locator('.backends tbody tr').count(), { timeout: 20_000 }).toBe(1_000)
  await expect.poll(() => page.locator('#figures').innerText()).toMatch(/Backends\s+1,000/)
  await page.getByLabel('Filter').fill('10.2.7.')
  await expect.poll(() => page.locator('#shown').innerText()).toBe('20 backends of 1,000')
  await expect.poll(() => page.locator('details.service:visible').count()).toBe(1)
  const connections = row(page, '10.2.7.1:80').getByRole('cell').nth(10)
  await expect.poll(() => connections.innerText(), { timeout: 15_000 }).toMatch(/^\d/)
  expect(faults).toEqual([])
})

test('a director at which nothing happens is live, and one that is not heard for long is not', async () => {
  const report = statusReport([serviceReport('web', [backendReport('10.0.0.1:80')])])
  const feed = new StatusFeed({ collect: async () => report })
  onTestFinished(() => feed[Symbol.dispose]())
  const content = { metricsPath: undefined, health: () => ({ status: 'ready' as const, reasons: [] }), async *metrics() {} }
  const status = { feed, allowedHosts: [], version: '1' }
  const server = await startAdminServer({ host: '127.0.0.1', port: 0 }, content, { status })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  await page.clock.install()
  await page.goto(`http://127.0.0.1:${server.address.port}/`)
  const live = page.getByText('live', { exact: true })
  await live.waitFor()
  // To the page half a minute has passed without a word; its next word is that the daemon is there.
  await page.clock.fastForward(30_000)
  await page.getByText(/not connected; as of \d\d:/).waitFor()
  await live.waitFor()
})

describe('a hostile page in the same browser', () => {
  test('reads nothing: not by its own origin, not in a frame, not by a name that leads here', async () => {
    const daemon = await largeDaemon()
    const evil = createServer((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(
        `<iframe src="http://127.0.0.1:${daemon.port}/"></iframe><img src="http://127.0.0.1:${daemon.port}/api/v1/events">`,
      )
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void evil.close())
    await once(evil, 'listening')
    const address = evil.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    const page = await context.newPage()
    const answers: number[] = []
    page.on('response', (response) => response.url().includes(`:${daemon.port}/`) && answers.push(response.status()))
    await page.goto(`http://evil.example:${address.port}/`)
    const home = `http://127.0.0.1:${daemon.port}`
    const read = (url: string) =>
      page.evaluate(
        (at) =>
          fetch(at)
            .then((answer) => answer.text())
            .catch(() => 'refused'),
        url,
      )
    expect(await read(`${home}/api/v1/status`)).toBe('refused')
    const opened = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const stream = new EventSource(url)
          stream.onopen = () => resolve('open')
          stream.onerror = () => resolve('refused')
        }),
      `${home}/api/v1/events`,
    )
    expect(opened).toBe('refused')
    expect(answers.length).toBeGreaterThan(0)
    expect(answers.filter((status) => status !== 403)).toEqual([])
    const gauge = /^pointsman_status_clients (\d+)$/m.exec((await daemon.fetch('/metrics')).text)?.[1]
    expect(gauge).toBe('0')
    // Its name leads here now, as after DNS rebinding: the origin is the same for the browser.
    await page.goto(`http://evil.example:${daemon.port}/healthz`)
    for (const path of ['/api/v1/status', '/metrics', '/readyz']) expect(await read(path)).toContain('admin_allowed_hosts')
    expect((await page.goto(`http://evil.example:${daemon.port}/`))?.status()).toBe(403)
  })
})
