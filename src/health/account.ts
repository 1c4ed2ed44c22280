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
  return (await accounts()).find((account) => account.name === name)
}

/** Who this process is. An image need not know its user by name. */
export async function ownAccount(): Promise<Account> {
  const uid = process.getuid?.() ?? 0
  const gid = process.getgid?.() ?? 0
  const known = (await accounts().catch(() => [])).find((account) => account.uid === uid)
  return known ?? { name: String(uid), uid, gid, home: '/' }
}

async function accounts(): Promise<Account[]> {
  return (await readPasswd()).split('\n').flatMap((line) => {
    const [name = '', , uid, gid, , home] = line.split(':')
    return isId(uid) && isId(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home: home || '/' }] : []
  })
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
