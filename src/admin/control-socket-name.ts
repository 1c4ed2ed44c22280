/**
 * Name of the socket in the state directory: the daemons of two network namespaces that share it have one each. Undefined: that
 * of a version with one name for all namespaces.
 */
export function controlSocket(netns: string | undefined): string {
  return netns === undefined ? 'admin.sock' : `admin-${netns}.sock`
}

/** Whether a file of the state directory is called like such a socket. */
export function isControlSocket(name: string): boolean {
  return /^admin(-\d+)?\.sock$/.test(name)
}
