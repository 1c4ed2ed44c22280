/** Posts JSON. Rejects with a sentence, which never shows the address, where the answer is no success. */
export async function postHook(url: string, body: string, signal: AbortSignal): Promise<void> {
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'user-agent': 'pointsman' },
      redirect: 'manual',
      signal,
    })
  } catch (error) {
    if (signal.aborted) throw new Error('the web server does not answer in time')
    const { cause } = error as { cause?: { code?: unknown } }
    throw new Error(`the web server cannot be reached (${typeof cause?.code === 'string' ? cause.code : 'no connection'})`)
  }
  // Whatever it says beside the status is of no use, and may be endless.
  await response.body?.cancel().catch(() => {})
  if (response.status < 200 || response.status > 299) throw new Error(`the web server answers with status ${response.status}`)
}
