import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openIptablesFilter, openIptablesKernel } from '../../../src/kernel/open-iptables-kernel.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iptables-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A program of the family of iptables, as a shell script. */
function program(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, name), 0o755)
}

const open = (more = {}) => openIptablesKernel({ path: `${folder}:/usr/bin:/bin`, ...more })

describe('iptables', () => {
  it('gets the nat table alone, and gives what others print line by line', async () => {
    program('iptables-restore', `printf "%s\\n" "$*" >${folder}/args; cat >${folder}/input`)
    program('ip6tables-save', 'echo "*nat"; echo "$@"; echo COMMIT')
    await open().restoreNat('ipv4', [':MINE - [0:0]', '-A MINE -j RETURN'])
    expect(readFileSync(`${folder}/input`, 'utf8')).toBe('*nat\n:MINE - [0:0]\n-A MINE -j RETURN\nCOMMIT\n')
    expect(readFileSync(`${folder}/args`, 'utf8')).toBe('-n -w 10\n')
    expect(await open().saveNat('ipv6')).toEqual(['*nat', '-c -t nat', 'COMMIT', ''])
  })

  it('is the variant that was asked for', async () => {
    program('ip6tables-legacy-save', 'echo legacy')
    expect(await open({ variant: 'iptables-legacy' }).saveNat('ipv6')).toEqual(['legacy', ''])
  })

  it('is the first variant that gets an answer, for both families and for writing, where none was asked for', async () => {
    program('iptables-save', 'echo "iptables/1.8.9 Failed to initialize nft: Protocol not supported" >&2; exit 1')
    program('iptables-legacy-save', 'echo legacy')
    program('ip6tables-legacy-save', 'echo legacy6')
    program('iptables-legacy-restore', `cat >${folder}/input`)
    const kernel = open()
    expect(await kernel.saveNat('ipv4')).toEqual(['legacy', ''])
    expect(await kernel.saveNat('ipv6')).toEqual(['legacy6', ''])
    await kernel.restoreNat('ipv4', ['-A MINE -j RETURN'])
    expect(readFileSync(`${folder}/input`, 'utf8')).toContain('-A MINE -j RETURN')
    program('iptables-nft-save', 'echo nft')
    expect(await open().saveNat('ipv4')).toEqual(['nft', ''])
    expect(await kernel.saveNat('ipv4')).toEqual(['legacy', ''])
  })

  it.each([
    ['a remark', `echo "# Table \\\`nat' is incompatible, use 'nft' tool."`],
    ['an error', 'echo "iptables-save: table nat is incompatible, use nft tool." >&2; exit 1'],
  ])('never takes a table that it cannot read for an empty one, nor another variant in its place: %s', async (_, script) => {
    program('ip6tables-save', script)
    program('ip6tables-legacy-save', 'echo legacy6')
    for (const kernel of [open(), open({ variant: 'iptables' })])
      await expect(kernel.saveNat('ipv6')).rejects.toMatchObject({
        code: 'KERNEL_REFUSED',
        detail: { unreadable: true },
        message: expect.stringContaining('nft -a list table ip6 nat'),
      })
  })

  it('reads a table in which chains of others are hooked that iptables does not show', async () => {
    const remark = "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them."
    program('iptables-save', `cat <<'END'\n${remark}\n*nat\nEND`)
    expect(await open().saveNat('ipv4')).toEqual([remark, '*nat', ''])
  })

  it('tells why the first that is installed gets no answer, where none does', async () => {
    program('iptables-legacy-save', "echo \"can't initialize iptables table 'nat'\" >&2; exit 3")
    await expect(open().saveNat('ipv4')).rejects.toMatchObject({
      code: 'KERNEL_REFUSED',
      message: expect.stringContaining("iptables-legacy-save refused: can't initialize"),
    })
  })

  it.each([
    [
      'echo "iptables-restore v1.8.9 (nf_tables): Invalid address" >&2; echo "Error occurred at line: 2" >&2; exit 2',
      'KERNEL_REFUSED',
      'Invalid address. It',
    ],
    ['echo "Permission denied (you must be root)" >&2; exit 4', 'NO_PERMISSION', 'CAP_NET_ADMIN'],
    ['exit 1', 'KERNEL_REFUSED', 'it gave no reason'],
  ])('that fails is told by its words: %s', async (script, code, words) => {
    program('iptables-restore', script)
    const refused = open().restoreNat(
      'ipv4',
      Array.from({ length: 20_000 }, () => '-A MINE -j RETURN'),
    )
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
  })

  it('that is not there is missing, and one that does not end is stuck and killed', async () => {
    await expect(open().saveNat('ipv4')).rejects.toMatchObject({ code: 'NFT_MISSING' })
    program('iptables-save', 'exec sleep 600')
    await expect(open({ deadlineMs: 50 }).saveNat('ipv4')).rejects.toMatchObject({ code: 'KERNEL_STUCK' })
  })
})

describe('the filter tables of iptables', () => {
  const filter = () => openIptablesFilter({ path: `${folder}:/usr/bin:/bin` })

  it('are read and written by the variant that keeps them', async () => {
    program('iptables-nft-save', 'echo ":INPUT DROP [0:0]"; echo "$@"')
    program('ip6tables-legacy-restore', `printf "%s\\n" "$*" >${folder}/args; cat >${folder}/input`)
    expect(await filter().save('nft', 'ipv4')).toEqual([':INPUT DROP [0:0]', '-t filter', ''])
    await filter().restore('legacy', 'ipv6', ['-A INPUT -j DROP'])
    expect(readFileSync(`${folder}/input`, 'utf8')).toBe('*filter\n-A INPUT -j DROP\nCOMMIT\n')
    expect(readFileSync(`${folder}/args`, 'utf8')).toBe('-n -w 10\n')
  })

  it('of nftables that iptables cannot read are left to nftables; other trouble is told', async () => {
    await expect(filter().save('nft', 'ipv4')).rejects.toMatchObject({
      code: 'NFT_MISSING',
      message: 'iptables-nft-save is not installed: install the package iptables of your distribution.',
    })
    program('iptables-nft-save', 'echo "Could not fetch rule set generation id" >&2; exit 1')
    await expect(filter().save('nft', 'ipv4')).rejects.toMatchObject({ code: 'KERNEL_REFUSED' })
    // Debian 12 says so with its answer, in which what it cannot read is left out.
    program('iptables-nft-save', `echo "# Table \\\`filter' contains incompatible base-chains, use 'nft' tool to list them."`)
    expect(await filter().save('nft', 'ipv4')).toBeUndefined()
    program('iptables-nft-save', 'echo "table filter is incompatible, use nft tool." >&2; exit 1')
    expect(await filter().save('nft', 'ipv4')).toBeUndefined()
    program('iptables-nft-save', 'echo "Permission denied (you must be root)" >&2; exit 4')
    await expect(filter().save('nft', 'ipv4')).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })
})
