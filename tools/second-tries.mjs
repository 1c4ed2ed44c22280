// A vitest reporter: names the tests that passed only at their second try, and what went wrong at the first, so that a retry never passes for a first success.
export default class SecondTries {
  #lines = []

  onTestCaseResult(test) {
    const { state, errors = [] } = test.result()
    if (state !== 'passed' || (test.diagnostic()?.retryCount ?? 0) === 0) return
    this.#lines.push(`passed only at the second try: ${test.module.relativeModuleId}: ${test.fullName}`)
    for (const { message, diff } of errors) this.#lines.push(`  the first: ${message}`, ...(diff === undefined ? [] : [diff]))
  }

  onTestRunEnd() {
    for (const line of this.#lines) console.log(line)
  }
}
