/**
 * What a user has looked at and what they keep at hand. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { asJson, IFavouriteStore, IShelfItem, isSame, itemsOf, understood } from './favourites';
import type { ILocation } from './nodes';
import { warn } from './warn';

export type { IShelfItem } from './favourites';

/** Where the recent places of a workspace are kept: JupyterLab's state database, or what does the same. */
export interface IShelfStore {
  fetch(id: string): Promise<ReadonlyPartialJSONValue | undefined>;
  save(id: string, value: ReadonlyPartialJSONValue): Promise<unknown>;
}

const STORE_ID = 'perijove:shelf';
const RECENT_MAX = 12;
const FAVOURITES_MAX = 100;

type Change = (items: readonly IShelfItem[]) => readonly IShelfItem[];

/** Recent places of one workspace, and favourites of its user. */
export class Shelf {
  /**
   * @param store - of recent places; null: none outlives the page
   * @param favouriteStore - of favourites; null: no change outlives the page
   */
  constructor(store: IShelfStore | null, favouriteStore: IFavouriteStore | null = null) {
    this._store = store;
    this._favouriteStore = favouriteStore;
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
    return this._favourites;
  }

  /** Reads what is kept; once. */
  load(): Promise<void> {
    this._loaded ??= this._load();
    return this._loaded;
  }

  /** Whether a place is marked. */
  isFavourite(place: ILocation): boolean {
    return this._favourites.some(item => isSame(item, place));
  }

  /** Marks a place, or takes the mark away; resolves when that is kept, or cannot be. */
  async toggleFavourite(item: IShelfItem): Promise<void> {
    await this.load();
    const wanted = !this.isFavourite(item);
    await this._changeFavourites(items => {
      const others = items.filter(other => !isSame(other, item));
      return wanted ? [...others, item].slice(-FAVOURITES_MAX) : others;
    });
  }

  /** Remembers that a place was looked at. */
  async visit(item: IShelfItem): Promise<void> {
    await this.load();
    this._recent = [item, ...this._recent.filter(other => !isSame(other, item))].slice(0, RECENT_MAX);
    this._keepRecent();
    this._changed.emit();
  }

  private async _load(): Promise<void> {
    try {
      const kept = (await this._store?.fetch(STORE_ID)) as ReadonlyPartialJSONObject | undefined;
      this._recent = itemsOf(kept?.recent).slice(0, RECENT_MAX);
      this._ofWorkspace = itemsOf(kept?.favourites);
    } catch {
      // nothing at hand is better than no panel
    }
    try {
      this._favourites = understood(await this._favouriteStore?.known()).slice(-FAVOURITES_MAX);
    } catch (error) {
      warn('the favourites of the Data panel cannot be read from the settings.', error);
    }
    this._changed.emit();
    await this._takeUp();
  }

  /** Takes up the favourites that an earlier version has kept in this workspace; they go from there once they are kept. */
  private async _takeUp(): Promise<void> {
    const old = this._ofWorkspace;
    if (old.length === 0) {
      return;
    }
    const isKept = await this._changeFavourites(items =>
      [...items, ...old.filter(item => !items.some(other => isSame(item, other)))].slice(-FAVOURITES_MAX)
    );
    if (isKept) {
      this._ofWorkspace = [];
      this._keepRecent();
    }
  }

  /** Changes what is shown at once, and then what is kept; whether that went well. */
  private _changeFavourites(change: Change): Promise<boolean> {
    this._favourites = change(this._favourites);
    this._changed.emit();
    this._waiting += 1;
    // one after the other: each begins with what the one before has kept
    this._changing = this._changing.then(() => this._keepFavourites(change));
    return this._changing;
  }

  private async _keepFavourites(change: Change): Promise<boolean> {
    const store = this._favouriteStore;
    try {
      if (store) {
        const items = change(understood(await store.current()));
        await store.save(items);
        // while another change waits, what is shown is ahead of what is kept
        this._favourites = this._waiting === 1 ? items : this._favourites;
      }
      return store !== null;
    } catch (error) {
      warn('the favourites could not be kept in the settings: a change is of this page only.', error);
      return false;
    } finally {
      this._waiting -= 1;
      this._changed.emit();
    }
  }

  private _keepRecent(): void {
    const unmoved = this._ofWorkspace.length > 0 ? { favourites: this._ofWorkspace } : {};
    void this._store?.save(STORE_ID, asJson({ recent: this._recent, ...unmoved })).catch(() => undefined);
  }

  private readonly _store: IShelfStore | null;
  private readonly _favouriteStore: IFavouriteStore | null;
  private readonly _changed = new Signal<this, void>(this);
  private _loaded: Promise<void> | null = null;
  private _recent: readonly IShelfItem[] = [];
  private _favourites: readonly IShelfItem[] = [];
  /** What an earlier version has kept in this workspace and is not taken up yet. */
  private _ofWorkspace: readonly IShelfItem[] = [];
  private _changing: Promise<boolean> = Promise.resolve(true);
  private _waiting = 0;
}
