/**
 * What the Data panel knows: datasets, the folders opened so far, and which row the user is at. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { cursorOf, IPerijoveClient, sentenceOf } from '../client';
import type { IDataset, ITreeEntry } from '../wire';
import { flatten, IFolder, INode, isNodeRow, ROOT, Row } from './rows';

/** How long the search waits for the next keystroke. */
export const SEARCH_DELAY_MILLISECONDS = 200;

/** Entries asked for at once. */
export const DEFAULT_PAGE_SIZE = 200;

/** An object or a folder of a dataset; `path` is empty for the dataset itself. */
export interface ILocation {
  dataset: string;
  path: string;
  type: 'dataset' | 'directory' | 'file';
}

/** The state behind one tree of datasets. */
export class DatasetBrowserModel {
  constructor(client: IPerijoveClient) {
    this._client = client;
  }

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
    return this._query;
  }

  /** The row the user is at, or undefined at first and when it is gone. */
  get activeRow(): Row | undefined {
    return this._rows.find(row => row.key === this._activeKey);
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
    if (!isNodeRow(row)) {
      return null;
    }
    return { dataset: row.node.dataset.id, path: row.node.entry?.path ?? '', type: row.kind };
  }

  /** Loads the datasets, if nobody has yet. */
  start(): void {
    if (!this._folders.has(ROOT)) {
      void this.loadPage(ROOT);
    }
  }

  /** Asks the server again for everything that is open. */
  refresh(): void {
    this._reset();
    void this.loadPage(ROOT);
  }

  /** Searches once the typing has paused; an earlier search that is still under way is given up. */
  search(query: string): void {
    this._query = query;
    window.clearTimeout(this._searchTimer);
    this._searchTimer = window.setTimeout(() => this.refresh(), SEARCH_DELAY_MILLISECONDS);
    this._changed.emit();
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

  /** Loads the next page of a folder, or the first. Does nothing while a page is on its way or when all is here. */
  async loadPage(key: string): Promise<void> {
    const folder = this._folders.get(key) ?? { children: [], cursor: undefined, status: 'idle', error: '' };
    if (folder.status === 'loading' || folder.cursor === null) {
      return;
    }
    const control = new AbortController();
    this._calls.set(key, control);
    this._set(key, { ...folder, status: 'loading', error: '' });
    try {
      const page = await this._fetch(key, folder.cursor ?? null, control.signal);
      if (!control.signal.aborted) {
        this._calls.delete(key);
        const children = page.nodes.map(node => this._keep(node));
        this._set(key, {
          children: [...folder.children, ...children],
          cursor: page.cursor,
          status: 'idle',
          error: ''
        });
        this._openAgain(children);
      }
    } catch (error) {
      if (!control.signal.aborted) {
        this._calls.delete(key);
        this._set(key, { ...folder, status: 'failed', error: sentenceOf(error) });
      }
    }
  }

  /** Gives up all that is under way. */
  dispose(): void {
    window.clearTimeout(this._searchTimer);
    this._calls.forEach(call => call.abort());
    Signal.clearData(this);
  }

  private async _fetch(key: string, cursor: string | null, signal: AbortSignal): Promise<INodePage> {
    if (key === ROOT) {
      const page = await this._client.datasets({ q: this._query.trim() }, cursor, signal);
      return { nodes: page.items.map(datasetNode), cursor: cursorOf(page.next) };
    }
    const parent = this._nodes.get(key)!;
    const wish = { path: parent.entry?.path ?? '', cursor, limit: this.pageSize };
    const page = await this._client.tree(parent.dataset.id, wish, signal);
    return { nodes: page.items.map(entry => entryNode(parent, entry)), cursor: cursorOf(page.next) };
  }

  private _keep(node: INode): string {
    this._nodes.set(node.key, node);
    return node.key;
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
    window.clearTimeout(this._searchTimer);
    this._calls.forEach(call => call.abort());
    this._calls.clear();
    this._folders.clear();
    this._nodes.clear();
  }

  private _update(): void {
    const index = this._rows.findIndex(row => row.key === this._activeKey);
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
  private _rows: readonly Row[] = [];
  private _activeKey: string | null = null;
  private _query = '';
  private _searchTimer = 0;
}

interface INodePage {
  nodes: INode[];
  cursor: string | null;
}

function datasetNode(dataset: IDataset): INode {
  return { key: `dataset:${dataset.id}`, parent: ROOT, dataset, entry: null };
}

function entryNode(parent: INode, entry: ITreeEntry): INode {
  // a store may hold an object `a` beside a prefix `a/`: the type keeps their keys apart
  return {
    key: `${entry.type}:${parent.dataset.id}/${entry.path}`,
    parent: parent.key,
    dataset: parent.dataset,
    entry
  };
}
