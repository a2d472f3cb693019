/** Asks again, less and less often, for as long as there is something to wait for. */

const FIRST_MILLISECONDS = 2000;
const MOST_MILLISECONDS = 20_000;
const GROWTH = 1.5;

/** One thing that is waited for. */
export class AskAgain {
  /** @param ask - asks once; true: go on asking. It must not reject. */
  constructor(ask: () => Promise<boolean>) {
    this._ask = ask;
  }

  /** Begins, unless it is asking already. */
  start(): void {
    if (this._timer === 0) {
      this._after(FIRST_MILLISECONDS);
    }
  }

  /** Asks no more. */
  stop(): void {
    window.clearTimeout(this._timer);
    this._timer = 0;
  }

  private _after(milliseconds: number): void {
    const timer = window.setTimeout(() => {
      void this._ask().then(goOn => {
        // it may have been stopped, or stopped and begun anew, while the answer was on its way
        if (this._timer === timer) {
          this._timer = 0;
          if (goOn) {
            this._after(Math.min(milliseconds * GROWTH, MOST_MILLISECONDS));
          }
        }
      });
    }, milliseconds);
    this._timer = timer;
  }

  private readonly _ask: () => Promise<boolean>;
  private _timer = 0;
}
