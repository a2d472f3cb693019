/**
 * What a user has looked at and what they keep at hand. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { ILocation } from './nodes';

/** Where it is kept: JupyterLab's state database, or what does the same. */
export interface IShelfStore {
  fetch(id: string): Promise<ReadonlyPartialJSONValue | undefined>;
  save(id: string, value: ReadonlyPartialJSONValue): Promise<unknown>;
}

/** A place, and the title of its dataset. */
export interface IShelfItem extends ILocation {
  title: string;
}

const STORE_ID = 'perijove:shelf';
const RECENT_MAX = 12;
const FAVOURITES_MAX = 100;

/** Recent places and favourites of one user. */
export class Shelf {
  /** @param store - null: nothing outlives the page */
  constructor(store: IShelfStore | null) {
    this._store = store;
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

  /** Marks a place, or takes the mark away. */
  async toggleFavourite(item: IShelfItem): Promise<void> {
    await this.load();
    this._favourites = this.isFavourite(item)
      ? this._favourites.filter(other => !isSame(other, item))
      : [...this._favourites, item].slice(-FAVOURITES_MAX);
    this._keep();
  }

  /** Remembers that a place was looked at. */
  async visit(item: IShelfItem): Promise<void> {
    await this.load();
    this._recent = [item, ...this._recent.filter(other => !isSame(other, item))].slice(0, RECENT_MAX);
    this._keep();
  }

  private async _load(): Promise<void> {
    try {
      const kept = (await this._store?.fetch(STORE_ID)) as ReadonlyPartialJSONObject | undefined;
      this._recent = itemsOf(kept?.recent).slice(0, RECENT_MAX);
      this._favourites = itemsOf(kept?.favourites).slice(-FAVOURITES_MAX);
    } catch {
      // nothing at hand is better than no panel
    }
    this._changed.emit();
  }

  private _keep(): void {
    this._changed.emit();
    const value = { recent: this._recent, favourites: this._favourites } as unknown as ReadonlyPartialJSONObject;
    void this._store?.save(STORE_ID, value).catch(() => undefined);
  }

  private readonly _store: IShelfStore | null;
  private readonly _changed = new Signal<this, void>(this);
  private _loaded: Promise<void> | null = null;
  private _recent: readonly IShelfItem[] = [];
  private _favourites: readonly IShelfItem[] = [];
}

function isSame(one: ILocation, other: ILocation): boolean {
  return one.dataset === other.dataset && one.path === other.path && one.type === other.type;
}

/** Those that are what they should be: an older version, or a hand, may have written others. */
function itemsOf(kept: ReadonlyPartialJSONValue | undefined): IShelfItem[] {
  return Array.isArray(kept) ? (kept as unknown[]).filter(isItem) : [];
}

function isItem(kept: unknown): kept is IShelfItem {
  const { dataset, path, type, title } = (kept ?? {}) as Record<string, unknown>;
  const texts = [dataset, path, title].every(text => typeof text === 'string');
  return texts && dataset !== '' && ['dataset', 'directory', 'file'].includes(type as string);
}
