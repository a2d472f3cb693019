/** Makes something once, when it is first wanted; a failure is forgotten, so that the next who wants it tries again. */
export class Lazy<T> {
  constructor(private readonly _make: () => Promise<T>) {}

  get(): Promise<T> {
    this._made ??= this._make().catch(error => {
      this._made = null;
      throw error;
    });
    return this._made;
  }

  private _made: Promise<T> | null = null;
}
