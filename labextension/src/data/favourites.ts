/**
 * The places that a user has marked. They are kept in a file of JupyterLab's settings, which follows the user into every
 * workspace and window. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import type { ILocation } from './nodes';

/** JupyterLab's settings as the server keeps them, or what does the same. */
export interface ISettingsStore {
  fetch(id: string): Promise<unknown>;
  save(id: string, raw: string): Promise<unknown>;
}

/** A place, and the title of its dataset. */
export interface IShelfItem extends ILocation {
  title: string;
}

/** The schema's name, and that by which windows speak to each other. */
export const FAVOURITES_ID = '@perijove/lab:favourites';

const FAVOURITES_MAX = 100;

/** What is done to the list, whatever other windows have done to it. What is not understood in it must stay. */
type Change = (kept: readonly unknown[]) => readonly unknown[];

/** The favourites of one user. Windows that are open at the same time see each other's. */
export class Favourites {
  /** @param store - null: nothing outlives the page */
  constructor(store: ISettingsStore | null) {
    this._store = store;
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What is marked, in the order of marking. */
  get items(): IShelfItem[] {
    return itemsOf(applied(this._kept, this._pending));
  }

  /** Reads what is kept, and again whenever another window has changed it. */
  async load(): Promise<void> {
    this._channel = new BroadcastChannel(FAVOURITES_ID);
    this._channel.onmessage = () => void this._read();
    await this._read();
  }

  /** Marks places before those that are marked already. Returns whether they are kept. */
  takeOver(items: readonly IShelfItem[]): Promise<boolean> {
    return this._change(kept => [...items.filter(item => !itemsOf(kept).some(same(item))), ...kept]);
  }

  /** Marks a place, or takes the mark away, as the user sees it. */
  toggle(item: IShelfItem): Promise<boolean> {
    const without: Change = kept => kept.filter(other => !(isItem(other) && same(item)(other)));
    const isMarked = this.items.some(same(item));
    return this._change(isMarked ? without : kept => [...without(kept), item].slice(-FAVOURITES_MAX));
  }

  /** Hears of no other window any more. */
  dispose(): void {
    this._channel?.close();
    Signal.clearData(this);
  }

  /** Does it at once for the eye; then to what is kept by now, one window after the other. */
  private async _change(change: Change): Promise<boolean> {
    this._pending = [...this._pending, change];
    this._changed.emit();
    this._saving = this._saving.then(() => this._save());
    return this._saving;
  }

  /** What cannot be kept stays in this page, and is tried again with the next change. */
  private async _save(): Promise<boolean> {
    const store = this._store;
    try {
      return store !== null && (await inTurn(() => this._saveTo(store)));
    } catch {
      return false;
    }
  }

  private async _saveTo(store: ISettingsStore): Promise<boolean> {
    const pending = this._pending;
    const settings = await fetchFrom(store);
    const favourites = applied(listOf(settings), pending);
    await store.save(FAVOURITES_ID, JSON.stringify({ ...settings, favourites }, undefined, 2));
    this._kept = favourites;
    this._pending = this._pending.slice(pending.length);
    this._changed.emit();
    this._channel?.postMessage(null);
    return true;
  }

  private async _read(): Promise<void> {
    try {
      this._kept = this._store ? listOf(await fetchFrom(this._store)) : [];
      this._changed.emit();
    } catch {
      // nothing at hand is better than no panel
    }
  }

  private readonly _store: ISettingsStore | null;
  private readonly _changed = new Signal<this, void>(this);
  private _channel: BroadcastChannel | null = null;
  private _saving: Promise<boolean> = Promise.resolve(true);
  private _kept: readonly unknown[] = [];
  private _pending: readonly Change[] = [];
}

/** Whether two places are the same one. */
export function same(one: ILocation): (other: ILocation) => boolean {
  return other => one.dataset === other.dataset && one.path === other.path && one.type === other.type;
}

/** Those that are what they should be: another version, or a hand, may have written others. */
export function itemsOf(kept: unknown): IShelfItem[] {
  return Array.isArray(kept) ? (kept as unknown[]).filter(isItem) : [];
}

function isItem(kept: unknown): kept is IShelfItem {
  const { dataset, path, type, title } = (kept ?? {}) as Record<string, unknown>;
  const texts = [dataset, path, title].every(text => typeof text === 'string');
  return texts && dataset !== '' && ['dataset', 'directory', 'file'].includes(type as string);
}

function applied(kept: readonly unknown[], changes: readonly Change[]): readonly unknown[] {
  return changes.reduce((list, change) => change(list), kept);
}

/** What the user has set; the server gives it beside the schema. */
async function fetchFrom(store: ISettingsStore): Promise<Record<string, unknown>> {
  const { settings } = (await store.fetch(FAVOURITES_ID)) as { settings?: Record<string, unknown> };
  return settings ?? {};
}

function listOf({ favourites }: Record<string, unknown>): unknown[] {
  return Array.isArray(favourites) ? favourites : [];
}

/** Between reading and writing no other window of this browser writes. Pages that are not from https have no locks. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const locks = navigator.locks as LockManager | undefined;
  return locks ? (locks.request(FAVOURITES_ID, work) as Promise<T>) : work();
}
