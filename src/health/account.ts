import { readFile } from 'node:fs/promises'

/** A user of this machine (passwd(5)). */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** The account of that name, or undefined where /etc/passwd knows none. The file is read each time: accounts come and go. */
export async function accountOf(name: string): Promise<Account | undefined> {
  for (const line of (await readPasswd()).split('\n')) {
    const [login, , uid, gid, , home] = line.split(':')
    if (login === name && isId(uid) && isId(gid)) return { name, uid: Number(uid), gid: Number(gid), home: home || '/' }
  }
  return undefined
}

/** An image made of a program alone has no such file. */
async function readPasswd(): Promise<string> {
  try {
    return await readFile('/etc/passwd', 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text)
}
