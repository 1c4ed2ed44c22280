import { describe, expect, it } from 'vitest'
import { countCalls } from '../../bench/guest/trace.ts'

describe('counting the calls of an strace', () => {
  it('counts lines that begin a call, with and without a process id', () => {
    expect(countCalls('openat(AT_FDCWD, ""..., O_RDONLY) = 3\n12  close(3) = 0\n')).toEqual({ calls: 2, bytes: 0 })
  })

  it('counts an interrupted call once and takes its result from the second line', () => {
    const text =
      '7  sendto(18, ""..., 140, 0, {sa_family=AF_NETLINK}, 12 <unfinished ...>\n8  futex(0x1) = 0\n7  <... sendto resumed>) = 140\n'
    expect(countCalls(text)).toEqual({ calls: 2, bytes: 140 })
  })

  it('adds up what send and its relatives took, and nothing else', () => {
    const text = '1  sendmsg(3, {msg_namelen=12}, 0) = 96\n1  write(1, ""..., 8) = 8\n1  sendto(3, ""..., 40, 0, NULL, 0) = 40\n'
    expect(countCalls(text)).toEqual({ calls: 3, bytes: 136 })
  })

  it('passes over signals, exits and what was refused', () => {
    const text =
      '1  +++ exited with 0 +++\n1  --- SIGCHLD {si_signo=SIGCHLD} ---\n1  sendto(3, ""..., 40, 0, NULL, 0) = -1 EPERM (x)\n'
    expect(countCalls(text)).toEqual({ calls: 1, bytes: 0 })
  })
})
