/** Rule sets of programs that keep filters, as the kernel's tools print them; the tests of kernel and containers that meet the programs themselves show that they are so. */

import { readFileSync } from 'node:fs'
import type { NftObject } from '../../../src/kernel/for-sinks.ts'
import type { FilterTable } from '../../../src/sinks/firewall/filter.ts'
import { readIptablesFilter } from '../../../src/sinks/firewall/read-iptables.ts'

/** Lines of iptables-save with ufw switched on, and what users have written: lines for the chain `ufw-user-input`. */
export function ufwLines(written: readonly string[] = []): string[] {
  return read('ufw.txt').flatMap((line) => (line === 'USER' ? written.map((rule) => `-A ufw-user-input ${rule}`) : [line]))
}

export function ufw(written: readonly string[] = []): FilterTable {
  return readIptablesFilter(ufwLines(written), 'nft', 'ipv4')
}

/** What `ufw allow`, `deny` and `limit` write for a port of TCP. */
export const UFW_RULES = {
  allow: (port: number) => [`-p tcp -m tcp --dport ${port} -j ACCEPT`],
  deny: (port: number) => [`-p tcp -m tcp --dport ${port} -j DROP`],
  denyFrom: (address: string) => [`-s ${address} -j DROP`],
  limit: (port: number) => [
    `-p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource`,
    `-p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j ufw-user-limit`,
    `-p tcp -m tcp --dport ${port} -j ufw-user-limit-accept`,
  ],
}

/** Lines of iptables-save where Docker runs. */
export function dockerLines(): string[] {
  return read('docker.txt').filter((line) => !line.startsWith('#'))
}

/** Objects of `nft -j list table inet firewalld`: firewalld 1.3, eth0 in the zone public, which lets ssh in. */
export function firewalldObjects(): NftObject[] {
  return read('firewalld.jsonl').map((line) => JSON.parse(line) as NftObject)
}

function read(name: string): string[] {
  return readFileSync(`${import.meta.dirname}/${name}`, 'utf8')
    .trimEnd()
    .split('\n')
}
