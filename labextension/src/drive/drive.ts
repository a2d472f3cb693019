/**
 * Datasets as a read-only drive, so that JupyterLab's own viewers open their files.
 */

import type { Contents, ServerConnection } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';
import { cursorOf, IPerijoveClient } from '../client';
import type { IPage, ITreeEntry } from '../wire';
import {
  datasetModel,
  directoryModel,
  entryModel,
  FILE_MAX_BYTES,
  fileModel,
  IDrivePath,
  splitPath,
  tooLarge,
  withBytes
} from './models';

/** The name of the drive: its paths begin with `perijove:`. */
export const DRIVE_NAME = 'perijove';

/** JupyterLab draws every row of a folder; with more it would stand still. */
export const ENTRIES_MAX = 1000;

/** So many pages of a folder are asked for until it is full. */
const PAGES_MAX = 20;

/** Sizes and times of so many entries are remembered, so that opening a listed file asks once. */
const KNOWN_MAX = 20_000;

/** Datasets and the folders in them, to be read only. */
export class PerijoveDrive implements Contents.IDrive {
  /**
   * @param client - calls the server
   * @param serverSettings - of that server
   */
  constructor(
    private readonly _client: IPerijoveClient,
    readonly serverSettings: ServerConnection.ISettings
  ) {}

  readonly name = DRIVE_NAME;

  /** Never emitted: nothing changes here. */
  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  /** Emitted with the path of a folder whenever it has been listed. */
  get listed(): ISignal<this, string> {
    return this._listed;
  }

  /** Whether a folder has more names than the first {@link ENTRIES_MAX}, which alone are shown. */
  isCut(localPath: string): boolean {
    return this._cut.has(pathOf(localPath));
  }

  /** With what the names in a folder shall begin; empty for all. */
  prefixOf(localPath: string): string {
    return this._prefixes.get(pathOf(localPath)) ?? '';
  }

  /** Lists of a folder the names that begin with `prefix`: from its next listing on, or in the one under way. */
  setPrefix(localPath: string, prefix: string): void {
    this._prefixes.set(pathOf(localPath), prefix);
  }

  /** Remembers that a path is a folder: it and those above it are not asked for as files, which some stores refuse. */
  knowFolder(localPath: string): void {
    const { dataset, path } = splitPath(localPath);
    const names = path.split('/');
    names.forEach((name, index) => {
      const above = names.slice(0, index + 1).join('/');
      this._known.set(`${dataset}/${above}`, {
        name,
        path: above,
        type: 'directory',
        size_bytes: null,
        modified: null
      });
    });
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._known.clear();
    Signal.clearData(this);
  }

  async get(localPath: string, options: Contents.IFetchOptions = {}): Promise<Contents.IModel> {
    const place = splitPath(localPath);
    const path = pathOf(localPath);
    const isFolder = place.path === '' || options.type === 'directory';
    const file = isFolder ? null : await this._fileAt(path, place);
    if (!file) {
      return directoryModel(path, options.content === false ? null : await this._list(path, place));
    }
    if (options.content === false) {
      return file;
    }
    const size = file.size ?? (await this._client.head(place.dataset, place.path))?.size_bytes ?? 0;
    if (size > FILE_MAX_BYTES) {
      throw new Error(tooLarge(file, size));
    }
    return withBytes(file, new Uint8Array(await this._client.file(place.dataset, place.path)), options);
  }

  getDownloadUrl(localPath: string): Promise<string> {
    const { dataset, path } = splitPath(localPath);
    return Promise.resolve(this._client.fileUrl(dataset, path));
  }

  listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return Promise.resolve([]);
  }

  newUntitled(): Promise<Contents.IModel> {
    return refuse();
  }

  delete(): Promise<void> {
    return refuse();
  }

  rename(): Promise<Contents.IModel> {
    return refuse();
  }

  save(): Promise<Contents.IModel> {
    return refuse();
  }

  copy(): Promise<Contents.IModel> {
    return refuse();
  }

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return refuse();
  }

  restoreCheckpoint(): Promise<void> {
    return refuse();
  }

  deleteCheckpoint(): Promise<void> {
    return refuse();
  }

  /** The file at a path without its bytes, or null where there is none: then it is a folder. */
  private async _fileAt(path: string, place: IDrivePath): Promise<Contents.IModel | null> {
    const known = this._known.get(path);
    if (known) {
      return known.type === 'directory' ? null : entryModel(place.dataset, known);
    }
    const head = await this._client.head(place.dataset, place.path);
    return head && fileModel(path, head.size_bytes, head.modified);
  }

  private async _list(path: string, place: IDrivePath): Promise<Contents.IModel[]> {
    const prefix = this.prefixOf(path);
    const [models, isCut] = place.dataset === '' ? await this._datasets() : await this._entries(place, prefix);
    if (prefix !== this.prefixOf(path)) {
      // JupyterLab asks once, whatever is typed while a folder is being listed
      return this._list(path, place);
    }
    this._cut[isCut ? 'add' : 'delete'](path);
    this._listed.emit(path);
    return models;
  }

  private async _datasets(): Promise<[Contents.IModel[], boolean]> {
    const models: Contents.IModel[] = [];
    let cursor: string | null = null;
    do {
      const page = await this._client.datasets({ q: '' }, cursor, new AbortController().signal);
      models.push(...page.items.filter(dataset => dataset.readable !== false).map(datasetModel));
      cursor = cursorOf(page.next);
    } while (cursor !== null && models.length < ENTRIES_MAX);
    return [models.slice(0, ENTRIES_MAX), cursor !== null];
  }

  private async _entries({ dataset, path }: IDrivePath, prefix: string): Promise<[Contents.IModel[], boolean]> {
    const found: ITreeEntry[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      // a page of names that do not begin so may be empty and have a page after it
      const page: IPage<ITreeEntry> = await this._client.tree(dataset, { path, cursor, limit: ENTRIES_MAX, prefix });
      found.push(...page.items);
      cursor = cursorOf(page.next);
      pages += 1;
    } while (cursor !== null && found.length < ENTRIES_MAX && pages < PAGES_MAX);
    if (this._known.size > KNOWN_MAX) {
      this._known.clear();
    }
    // of a file and a folder of one name JupyterLab can show one: the folder, which leads further
    const byName = new Map<string, ITreeEntry>();
    for (const entry of found.slice(0, ENTRIES_MAX)) {
      if (byName.get(entry.name)?.type !== 'directory') {
        byName.set(entry.name, entry);
        this._known.set(`${dataset}/${entry.path}`, entry);
      }
    }
    return [
      [...byName.values()].map(entry => entryModel(dataset, entry)),
      cursor !== null || found.length > ENTRIES_MAX
    ];
  }

  private readonly _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  private readonly _listed = new Signal<this, string>(this);
  private readonly _cut = new Set<string>();
  private readonly _prefixes = new Map<string, string>();
  private readonly _known = new Map<string, ITreeEntry>();
  private _isDisposed = false;
}

/** A path without slashes at its ends. */
function pathOf(localPath: string): string {
  const { dataset, path } = splitPath(localPath);
  return [dataset, path].filter(Boolean).join('/');
}

function refuse(): Promise<never> {
  return Promise.reject(
    new Error('Datasets can only be read here. Save a copy into your own files (File, Save As), then change that.')
  );
}
