/**
 * What a user has looked at and what they keep at hand. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { Favourites, ISettingsStore, IShelfItem, itemsOf, same } from './favourites';
import type { ILocation } from './nodes';

export type { IShelfItem } from './favourites';

/** JupyterLab's state database, or what does the same. */
export interface IStateStore {
  fetch(id: string): Promise<ReadonlyPartialJSONValue | undefined>;
  save(id: string, value: ReadonlyPartialJSONValue): Promise<unknown>;
}

/** Where a shelf is kept; what is null outlives no page. */
export interface IShelfStores {
  state: IStateStore | null;
  settings: ISettingsStore | null;
}

const STATE_ID = 'perijove:shelf';
const RECENT_MAX = 12;

/**
 * Recent places and favourites of one user.
 *
 * Favourites follow the user. What was looked at belongs to one piece of work, and stays with its workspace beside the
 * tabs that were open there.
 */
export class Shelf {
  /** @param stores - where it is kept */
  constructor({ state, settings }: IShelfStores) {
    this._state = state;
    this._favourites = new Favourites(settings);
    this._favourites.changed.connect(() => this._changed.emit());
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What was looked at, the last first. */
  get recent(): readonly IShelfItem[] {
    return this._recent;
  }

  /** What the user has marked, in the order of marking. */
  get favourites(): readonly IShelfItem[] {
    return this._favourites.items;
  }

  /** Reads what is kept; once. */
  load(): Promise<void> {
    this._loaded ??= this._load();
    return this._loaded;
  }

  /** Whether a place is marked. */
  isFavourite(place: ILocation): boolean {
    return this.favourites.some(same(place));
  }

  /** Marks a place, or takes the mark away. */
  async toggleFavourite(item: IShelfItem): Promise<void> {
    await this.load();
    await this._favourites.toggle(item);
  }

  /** Remembers that a place was looked at. */
  async visit(item: IShelfItem): Promise<void> {
    await this.load();
    const isOther = (other: IShelfItem) => !same(item)(other);
    this._recent = [item, ...this._recent.filter(isOther)].slice(0, RECENT_MAX);
    this._changed.emit();
    this._keep();
  }

  /** Hears of no other window any more. */
  dispose(): void {
    this._favourites.dispose();
    Signal.clearData(this);
  }

  private async _load(): Promise<void> {
    const [kept] = await Promise.all([this._fetch(), this._favourites.load()]);
    this._recent = itemsOf(kept?.recent).slice(0, RECENT_MAX);
    this._earlier = itemsOf(kept?.favourites);
    this._changed.emit();
    if (this._earlier.length > 0 && (await this._favourites.takeOver(this._earlier))) {
      this._earlier = [];
      this._keep();
    }
  }

  private async _fetch(): Promise<ReadonlyPartialJSONObject | undefined> {
    try {
      return (await this._state?.fetch(STATE_ID)) as ReadonlyPartialJSONObject | undefined;
    } catch {
      // nothing at hand is better than no panel
      return undefined;
    }
  }

  private _keep(): void {
    const earlier = this._earlier.length > 0 ? { favourites: this._earlier } : {};
    const value = { recent: this._recent, ...earlier } as unknown as ReadonlyPartialJSONObject;
    void this._state?.save(STATE_ID, value).catch(() => undefined);
  }

  private readonly _state: IStateStore | null;
  private readonly _favourites: Favourites;
  private readonly _changed = new Signal<this, void>(this);
  private _loaded: Promise<void> | null = null;
  private _recent: readonly IShelfItem[] = [];
  /** Favourites that the state of this workspace holds from before, until they are among those of the user. */
  private _earlier: readonly IShelfItem[] = [];
}
