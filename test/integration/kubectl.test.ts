/**
 * The DaemonSet in the hands of the real kubectl. Debian has no API server, so nothing here tells what a cluster would say; but kubectl reads the
 * manifest into the types of Kubernetes, writes it back, and so forgets what they do not have.
 */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { kubectl } from '../peers/kubectl.ts'

interface DaemonSet {
  readonly kind: string
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly [{ image: string }] } } }
}

const OTHER = 'registry.example/pointsman:9.9.9'

function daemonSet(): DaemonSet {
  const documents = parseAllDocuments(readFileSync('deploy/kubernetes/daemonset.yaml', 'utf8'))
  return documents.map((document) => document.toJS() as DaemonSet).find(({ kind }) => kind === 'DaemonSet') as DaemonSet
}

/** What kubectl makes of it with another image, which is how an upgrade is done. */
async function withOtherImage(text: string): Promise<unknown> {
  const args = ['set', 'image', '--local', '--filename=-', '--output=json', `pointsman=${OTHER}`]
  return JSON.parse(await kubectl(args, text))
}

test('kubectl knows every key of the DaemonSet, and gives it another image', async () => {
  const wanted = daemonSet()
  wanted.spec.template.spec.containers[0].image = OTHER
  expect(await withOtherImage(JSON.stringify(daemonSet()))).toMatchObject(wanted)
})

test('a key that is misspelt would be lost, and a value of another kind refused', async () => {
  const text = JSON.stringify(daemonSet())
  const misspelt = JSON.parse(text.replace('"hostNetwork"', '"hostNetwerk"')) as object
  expect(await withOtherImage(JSON.stringify(misspelt))).not.toHaveProperty('spec.template.spec.hostNetwerk')
  await expect(withOtherImage(text.replace('"hostNetwork":true', '"hostNetwork":"yes"'))).rejects.toThrow(/hostNetwork/)
})
