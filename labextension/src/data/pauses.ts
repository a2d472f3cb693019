/** Waits for pauses in the typing, each field for its own. */

/** What is done once nobody has typed for a while; by a key for each field. */
export class Pauses {
  /** @param milliseconds - how long nobody has typed */
  constructor(milliseconds: number) {
    this._milliseconds = milliseconds;
  }

  /** Does `then` after the pause, in the place of what was to be done for the same key. */
  wait(key: string, then: () => void): void {
    window.clearTimeout(this._timers.get(key));
    const timer = window.setTimeout(() => {
      this._timers.delete(key);
      then();
    }, this._milliseconds);
    this._timers.set(key, timer);
  }

  /** Does nothing of what was to be done. */
  stop(): void {
    this._timers.forEach(timer => window.clearTimeout(timer));
    this._timers.clear();
  }

  private readonly _milliseconds: number;
  private readonly _timers = new Map<string, number>();
}
