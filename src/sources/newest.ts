import { Observable, type OperatorFunction, type Subscription } from 'rxjs'

/**
 * Works on one value at a time; of what comes meanwhile only the newest is worked on next. Unlike switchMap it makes
 * progress although values come faster than they are worked on, and unlike concatMap it never falls behind.
 */
export function newest<Value, Result>(work: (value: Value) => Observable<Result>): OperatorFunction<Value, Result> {
  return (values$) =>
    new Observable((subscriber) => {
      let running: Subscription | undefined
      let waiting: { readonly value: Value } | undefined
      let ended = false
      const goOn = () => {
        running = undefined
        const next = waiting
        waiting = undefined
        if (next !== undefined) begin(next.value)
        else if (ended) subscriber.complete()
      }
      const begin = (value: Value) => {
        let done = false
        const subscription = work(value).subscribe({
          next: (result) => subscriber.next(result),
          error: (error) => subscriber.error(error),
          complete: () => {
            done = true
            if (running !== undefined) goOn()
          },
        })
        running = subscription
        if (done) goOn()
      }
      subscriber.add(() => running?.unsubscribe())
      subscriber.add(
        values$.subscribe({
          next: (value) => {
            if (running === undefined) begin(value)
            else waiting = { value }
          },
          error: (error) => subscriber.error(error),
          complete: () => {
            ended = true
            if (running === undefined) subscriber.complete()
          },
        }),
      )
    })
}
