/** What the host asks of the program in the lab, and what that tells it, one JSON object in a line of its output. */

import type { PacketPlan } from './packet-plan.ts'
import type { ConsulPlan, Plan, Programs } from './plan.ts'
import type { ProbeLabTask } from './probe-lab-plan.ts'
import type { Shape } from './shape.ts'

export type Task =
  | { readonly kind: 'measure'; readonly plan: Plan; readonly programs: Programs }
  /** `agent`: the program of Consul. */
  | { readonly kind: 'consul'; readonly plan: ConsulPlan; readonly programs: Programs; readonly agent: string }
  | ProbeLabTask
  /** `iptables`: where Debian's programs are, and what they need in their environment. */
  | {
      readonly kind: 'packets'
      readonly plan: PacketPlan
      readonly iptables: { readonly path: string; readonly env: Readonly<Record<string, string>> }
    }
  | { readonly kind: 'profile'; readonly cases: readonly ProfileCase[]; readonly rounds: number }

/** `apply`: a first pass each round. */
export interface ProfileCase {
  readonly measure: 'apply' | 'resync' | 'change'
  readonly shape: Shape
}

/** The things that are measured. Times are milliseconds. */
export type Measure =
  /** The whole table into an empty kernel. */
  | 'apply'
  /** The whole table is read and found to be right. */
  | 'resync'
  /** One backend gets another weight. */
  | 'change'
  /** Bytes and system calls of one such change. */
  | 'change-bytes'
  | 'change-calls'
  /** From the start of the program to the full table. */
  | 'start'
  /** Longest time for which the main thread did not turn to its events in the lab, by occasion. */
  | 'blocked'
  /** The same on this machine itself, in processor time, on a played kernel. */
  | 'hold'
  /** Resident memory in MB. */
  | 'memory'
  /** What it is made of, in MB. */
  | 'memory-part'
  /** One answer with all metrics, curl's start included. */
  | 'scrape'
  /** From the request that registers an instance in Consul to whoever heard of it: the kernel, or a plain client's blocking query. */
  | 'register'
  /** Processor time of the daemon beside a Consul agent in which nothing happens, in percent of a core: on this machine itself, on a played kernel. */
  | 'idle'
  /** The same in the lab. */
  | 'consul-cpu'
  /** Requests a second that the agent counted. */
  | 'consul-requests'
  /** Connections of the daemon to the agent. */
  | 'consul-connections'
  /** Processor time of one probe of a backend, in microseconds. */
  | 'probe-cpu'
  /** Processor time of the main thread meanwhile, in percent of a core. */
  | 'probe-main'
  /** How many milliseconds after its moment a probe begins, a bound of the daemon's histogram. */
  | 'probe-late'
  /** Probes a second, counted as connections that were begun. */
  | 'probe-rate'
  /** Resident memory meanwhile, in MB. */
  | 'probe-memory'
  /** The same four in the lab. */
  | 'lab-probe-cpu'
  | 'lab-probe-late'
  | 'lab-probe-rate'
  | 'lab-probe-memory'
  /** By how many milliseconds more than its interval an HTTP probe follows the one before it, by the clock of the server that is asked. */
  | 'lab-probe-gap'
  /** Packets of one connection a second that reach the server through IPVS and source NAT. */
  | 'packet-rate'
  /** The same, every packet a connection of its own. */
  | 'connection-rate'
  /** One service more with source NAT. */
  | 'packet-add'

export interface Sample {
  readonly kind: 'sample'
  readonly measure: Measure
  readonly shape: string
  /** Who or what: `pass`, `ceiling`, `ipvsadm --restore`, … */
  readonly subject: string
  readonly value: number
}

/** What is done now, for whoever waits. */
export interface Progress {
  readonly kind: 'progress'
  readonly text: string
}

/** Where the time went in a case: the functions with the largest share of one thread's busy time. */
export interface Profile {
  readonly kind: 'profile'
  /** What was going on. */
  readonly text: string
  readonly threads: readonly ThreadProfile[]
}

export interface ThreadProfile {
  readonly thread: string
  /** Milliseconds in which the thread was busy, and of those the part that garbage collection took. */
  readonly busy: number
  readonly functions: readonly { readonly name: string; readonly self: number }[]
}

export type Message = Sample | Progress | Profile

/** What the program in the lab tells besides: the edges of a time whose processor time the host knows better. */
export type GuestMessage =
  | Message
  | { readonly kind: 'window-begins' }
  | {
      readonly kind: 'window-ends'
      /** Microseconds by the accounts of the guest, for each of so many. */
      readonly sample: Sample
      readonly count: number
      /** 0–1: whose time that is, of all processor time in the guest. */
      readonly share: number
    }
