/**
 * What the Data panel knows: datasets, the folders opened so far, and which row the user is at. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { cursorOf, IPerijoveClient, sentenceOf } from '../client';
import type { FacetName, IDataset } from '../wire';
import { isReadable } from './access';
import { AskAgain } from './again';
import { datasetNode, entryNode, ILocation, locationOfNode, nodesDownTo } from './nodes';
import { Pauses } from './pauses';
import { flatten, IFolder, INode, isNodeRow, isPaused, ROOT, Row } from './rows';
import { DatasetSearch, Filters } from './search';

export type { ILocation } from './nodes';

/** How long the search waits for the next keystroke. */
export const SEARCH_DELAY_MILLISECONDS = 200;

/** Entries asked for at once. */
export const DEFAULT_PAGE_SIZE = 200;

/** What a folder holds before its first page. */
const EMPTY_FOLDER: IFolder = { children: [], cursor: undefined, status: 'idle', error: '', barrenPages: 0 };

/** The key of the call that asks whether pending sources have answered; no folder is named so. */
const PENDING = 'pending';

/** The key of the pause in which the search waits; no folder is named so. */
const SEARCH = 'search';

/** The state behind one tree of datasets. */
export class DatasetBrowserModel {
  constructor(client: IPerijoveClient) {
    this._client = client;
    this.found = new DatasetSearch(client);
  }

  /** What is searched for, its facets and sources. */
  readonly found: DatasetSearch;

  /** Entries asked for at once; counts from the next page on. */
  pageSize = DEFAULT_PAGE_SIZE;

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The open rows; a new array after each change of the tree. */
  get rows(): readonly Row[] {
    return this._rows;
  }

  /** The words searched for, as typed. */
  get query(): string {
    return this.found.words;
  }

  /** Grows whenever the tree shall bring the active row into sight. */
  get revealed(): number {
    return this._revealed;
  }

  /** The row the user is at, or undefined at first and when it is gone. */
  get activeRow(): Row | undefined {
    return this._rows[this.activeIndex];
  }

  /** Where in the rows the user is, or -1. Asked for many times of many rows, and so looked for once only. */
  get activeIndex(): number {
    const [rows, key] = [this._rows, this._activeKey];
    if (this._active.rows !== rows || this._active.key !== key) {
      this._active = { rows, key, index: rows.findIndex(row => row.key === key) };
    }
    return this._active.index;
  }

  /** The dataset that the user is at or in, or null. */
  get dataset(): IDataset | null {
    const row = this.activeRow;
    return isNodeRow(row) ? row.node.dataset : null;
  }

  /** How many datasets are listed, or null while that is not known. */
  get datasetCount(): number | null {
    const root = this._folders.get(ROOT);
    return root?.status === 'idle' && root.cursor !== undefined ? root.children.length : null;
  }

  /** What the user is at, when it is a dataset, a directory or a file. */
  get location(): ILocation | null {
    const row = this.activeRow;
    return isNodeRow(row) ? locationOfNode(row.node) : null;
  }

  /** The open folder that the user is at or in, or null; the list of datasets is none. */
  get openFolder(): INode | null {
    const row = this.activeRow;
    const isOpen = isNodeRow(row) && row.expanded === true;
    const folder = row && this._nodes.get(isOpen ? row.key : row.parent);
    return folder && isReadable(folder.dataset) ? folder : null;
  }

  /** With what the names in a folder shall begin, as typed; empty for all. */
  prefixOf(key: string): string {
    return this._prefixes.get(key) ?? '';
  }

  /** Loads the datasets, if nobody has yet. */
  start(): void {
    if (!this._folders.has(ROOT)) {
      void this.loadPage(ROOT);
    }
  }

  /** Whether somebody looks; sources that have not answered are asked again only then. */
  setVisible(visible: boolean): void {
    this._isVisible = visible;
    this._watchPending();
  }

  /** Asks the server again for everything that is open. */
  refresh(): void {
    this._reset();
    void this.loadPage(ROOT);
  }

  /** Searches once the typing has paused; an earlier search that is still under way is given up. */
  search(query: string): void {
    this.found.words = query;
    this._searchSoon();
  }

  /** Narrows the search down, or widens it by values that are empty. */
  narrow(filters: Filters): void {
    this.found.narrow(filters);
    this.refresh();
  }

  /** As {@link narrow}, once the typing has paused. */
  narrowSoon(filters: Filters): void {
    this.found.narrow(filters);
    this._searchSoon();
  }

  /** Takes a value of a facet among those that may be found, or out again. */
  toggleFacet(name: FacetName, value: string): void {
    const chosen = this.found.chosen(name);
    this.narrow({ [name]: chosen.includes(value) ? chosen.filter(one => one !== value) : [...chosen, value] });
  }

  /** Searches for the words alone. */
  clearFilters(): void {
    this.found.clearFilters();
    this.refresh();
  }

  /** Searches for all again. */
  clearSearch(): void {
    this.found.clear();
    this.refresh();
  }

  /** Shows the names of a folder that begin with `prefix`, once the typing has paused. */
  filterFolder(key: string, prefix: string): void {
    this._prefixes.set(key, prefix);
    // the rows in the folder are about to change: whoever is at one of them is now at the folder
    this._activeKey = key;
    this._pauses.wait(key, () => {
      this._abort(key);
      this._folders.delete(key);
      void this.loadPage(key);
    });
    this._changed.emit();
  }

  /**
   * Opens the tree down to a place and puts the user there.
   *
   * Throws an `ApiError` when the dataset is gone.
   */
  async goTo(location: ILocation): Promise<void> {
    const key = `dataset:${location.dataset}`;
    const dataset = this._nodes.get(key)?.dataset ?? (await this._client.dataset(location.dataset));
    this.start();
    const nodes = nodesDownTo(dataset, location);
    nodes.forEach(node => this._insert(node));
    nodes.filter(({ entry }) => entry?.type !== 'file').forEach(node => this.expand(node.key));
    this._activeKey = nodes.at(-1)?.key ?? null;
    this._revealed += 1;
    this._update();
  }

  /** Puts the user at a row. */
  activate(key: string): void {
    if (key !== this._activeKey) {
      this._activeKey = key;
      this._changed.emit();
    }
  }

  /** Opens a folder and loads its first page when that is missing. */
  expand(key: string): void {
    this._expanded.add(key);
    const folder = this._folders.get(key);
    const node = this._nodes.get(key);
    if (node && !isReadable(node.dataset)) {
      this._update();
      return;
    }
    if (folder === undefined || folder.cursor === undefined || folder.status === 'failed') {
      void this.loadPage(key);
    }
    this._update();
  }

  /** Closes a folder; a page on its way is given up, since nobody will see it. */
  collapse(key: string): void {
    this._expanded.delete(key);
    this._abort(key);
    this._update();
  }

  /** Opens a closed folder and closes an open one. */
  toggle(key: string): void {
    if (this._expanded.has(key)) {
      this.collapse(key);
    } else {
      this.expand(key);
    }
  }

  /**
   * Loads the next page of a folder, or the first; where looking has paused, it goes on. Does nothing while a page is on
   * its way or when all is here.
   */
  async loadPage(key: string): Promise<void> {
    const folder = this._folders.get(key) ?? EMPTY_FOLDER;
    if (folder.status === 'loading' || folder.cursor === null) {
      return;
    }
    const control = new AbortController();
    this._calls.set(key, control);
    const barrenPages = isPaused(folder) ? 0 : folder.barrenPages;
    this._set(key, { ...folder, status: 'loading', error: '', prefix: this.prefixOf(key), barrenPages });
    try {
      const page = await this._fetch(key, folder.cursor ?? null, control.signal);
      if (!control.signal.aborted) {
        this._calls.delete(key);
        this._append(key, page, this._folders.get(key) ?? folder);
      }
    } catch (error) {
      if (!control.signal.aborted) {
        this._calls.delete(key);
        this._set(key, { ...(this._folders.get(key) ?? folder), status: 'failed', error: sentenceOf(error) });
      }
    }
    if (key === ROOT) {
      this._watchPending();
    }
  }

  /** Gives up all that is under way. */
  dispose(): void {
    this._pauses.stop();
    this._again.stop();
    this._calls.forEach(call => call.abort());
    Signal.clearData(this);
  }

  private _searchSoon(): void {
    this._pauses.wait(SEARCH, () => this.refresh());
    this._changed.emit();
  }

  private async _fetch(key: string, cursor: string | null, signal: AbortSignal): Promise<INodePage> {
    if (key === ROOT) {
      const page = await this.found.page(cursor, signal);
      return { nodes: page.items.map(datasetNode), cursor: cursorOf(page.next) };
    }
    const parent = this._nodes.get(key)!;
    const wish = { path: parent.entry?.path ?? '', cursor, limit: this.pageSize, prefix: this.prefixOf(key) };
    const page = await this._client.tree(parent.dataset.id, wish, signal);
    const nodes = page.items.map(entry => entryNode(parent, entry));
    return { nodes, cursor: cursorOf(page.next), skipped: page.skipped };
  }

  /** Adds a page to what a folder holds. */
  private _append(key: string, page: INodePage, folder: IFolder): void {
    const known = new Set(folder.children);
    const added = page.nodes.map(node => node.key).filter(child => !known.has(child));
    // after a late catalogue, pages of what is here already are on the way to what is not
    const isBarren = added.length === 0 && (key !== ROOT || page.nodes.length === 0);
    const barrenPages = isBarren ? folder.barrenPages + 1 : 0;
    this._take(key, page, { ...folder, children: [...folder.children, ...added], barrenPages });
  }

  /**
   * Takes a first page that has come again among the datasets that are listed. None goes: somebody may be at it. What is
   * new on the pages between is found by asking on from this one.
   */
  private _mergeFirst(page: INodePage): void {
    this._abort(ROOT);
    const folder = this._folders.get(ROOT) ?? EMPTY_FOLDER;
    const children = page.nodes.map(node => node.key);
    const first = new Set(children);
    const rest = folder.children.filter(child => !first.has(child));
    this._take(ROOT, page, { ...folder, children: [...children, ...rest], barrenPages: 0, error: '' });
  }

  private _take(key: string, page: INodePage, folder: IFolder): void {
    page.nodes.forEach(node => this._nodes.set(node.key, node));
    const skipped = (folder.skipped ?? 0) + (page.skipped ?? 0);
    this._set(key, { ...folder, cursor: page.cursor, status: 'idle', skipped });
    this._openAgain(page.nodes.map(node => node.key));
  }

  /** Puts a node that no page has brought yet at the beginning of its folder. */
  private _insert(node: INode): void {
    const folder = this._folders.get(node.parent) ?? EMPTY_FOLDER;
    if (!folder.children.includes(node.key)) {
      this._nodes.set(node.key, node);
      this._folders.set(node.parent, { ...folder, children: [node.key, ...folder.children] });
    }
  }

  /** Asks again for as long as somebody looks and a source has not answered. */
  private _watchPending(): void {
    if (this._isVisible && this.found.isPending) {
      this._again.start();
    } else {
      this._again.stop();
    }
  }

  /** Hears whether sources have answered by now; the list is drawn anew only when one has. */
  private async _askPending(): Promise<boolean> {
    const before = JSON.stringify(this.found.catalogues);
    const control = new AbortController();
    this._calls.set(PENDING, control);
    try {
      const page = await this.found.page(null, control.signal);
      if (!control.signal.aborted && JSON.stringify(this.found.catalogues) !== before) {
        this._mergeFirst({ nodes: page.items.map(datasetNode), cursor: cursorOf(page.next) });
      }
    } catch {
      // what is shown stays; the next time may go better
    }
    return this._isVisible && this.found.isPending;
  }

  /** Folders that were open before a refresh and came back are opened again. */
  private _openAgain(keys: string[]): void {
    keys.filter(key => this._expanded.has(key) && !this._folders.has(key)).forEach(key => void this.loadPage(key));
  }

  private _set(key: string, folder: IFolder): void {
    this._folders.set(key, folder);
    this._update();
  }

  private _abort(key: string): void {
    const call = this._calls.get(key);
    const folder = this._folders.get(key);
    if (call && folder) {
      call.abort();
      this._calls.delete(key);
      this._folders.set(key, { ...folder, status: 'idle' });
    }
  }

  private _reset(): void {
    // what waits would ask for folders that are about to go; those that come back are filtered as they load
    this._pauses.stop();
    this._calls.forEach(call => call.abort());
    this._calls.clear();
    this._folders.clear();
    this._nodes.clear();
  }

  private _update(): void {
    const index = this.activeIndex;
    const wasStatus = index >= 0 && !isNodeRow(this._rows[index]);
    this._rows = flatten({ nodes: this._nodes, folders: this._folders, expanded: this._expanded });
    if (wasStatus && !this.activeRow) {
      // whoever waited at "loading" is now at the first of the rows that came in its place
      this._activeKey = this._rows[Math.min(index, this._rows.length - 1)]?.key ?? null;
    }
    this._changed.emit();
  }

  private readonly _client: IPerijoveClient;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _nodes = new Map<string, INode>();
  private readonly _folders = new Map<string, IFolder>();
  private readonly _expanded = new Set<string>();
  private readonly _calls = new Map<string, AbortController>();
  private readonly _prefixes = new Map<string, string>();
  private readonly _pauses = new Pauses(SEARCH_DELAY_MILLISECONDS);
  private readonly _again = new AskAgain(() => this._askPending());
  private _rows: readonly Row[] = [];
  private _activeKey: string | null = null;
  private _active: { rows: readonly Row[]; key: string | null; index: number } = { rows: [], key: null, index: -1 };
  private _revealed = 0;
  private _isVisible = false;
}

interface INodePage {
  nodes: INode[];
  cursor: string | null;
  skipped?: number;
}
