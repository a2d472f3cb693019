/**
 * What is searched for and what a search says beside the datasets. No DOM in here.
 */

import type { IPerijoveClient } from '../client';
import type { FacetName, Facets, ICatalogue, IDatasetPage, IDatasetQuery } from '../wire';

/** The facets in the order in which they are shown. */
export const FACET_NAMES: readonly FacetName[] = ['catalogue', 'format', 'provider', 'keyword', 'licence'];

/** How datasets are narrowed down beside the words. */
export type Filters = Omit<IDatasetQuery, 'q'>;

/** One search; its answers come page by page. */
export class DatasetSearch {
  constructor(client: IPerijoveClient) {
    this._client = client;
  }

  /** The words searched for, as typed. */
  words = '';

  /** What narrows the search; only what does. */
  get filters(): Filters {
    return this._filters;
  }

  /** Counts over all that was found, from the last first page. */
  get facets(): Facets {
    return this._facets;
  }

  /** Where the datasets come from. */
  get catalogues(): readonly ICatalogue[] {
    return this._catalogues;
  }

  /** The title of a catalogue; its id when it is not known. */
  sourceTitle(id: string): string {
    return this._catalogues.find(catalogue => catalogue.id === id)?.title ?? id;
  }

  /** Whether a catalogue has not answered yet. */
  get isPending(): boolean {
    return this._catalogues.some(({ state }) => state === 'pending');
  }

  /** Whether anything narrows the search. */
  get isNarrow(): boolean {
    return this.words.trim() !== '' || Object.keys(this._filters).length > 0;
  }

  /** Narrows the search; an empty or undefined value no longer does. */
  narrow(change: Filters): void {
    const given = Object.entries({ ...this._filters, ...change }).filter(([, value]) => value?.length);
    this._filters = Object.fromEntries(given);
  }

  /** The chosen values of a facet; what is found has one of them. */
  chosen(name: FacetName): readonly string[] {
    return this._filters[name] ?? [];
  }

  /** Searches for all again. */
  clear(): void {
    this.words = '';
    this.clearFilters();
  }

  /** Searches for the words alone. */
  clearFilters(): void {
    this._filters = {};
  }

  /** One page of what is found. */
  async page(cursor: string | null, signal: AbortSignal): Promise<IDatasetPage> {
    const page = await this._client.datasets({ q: this.words.trim(), ...this._filters }, cursor, signal);
    if (cursor === null && !signal.aborted) {
      this._facets = page.facets ?? {};
      this._catalogues = page.catalogues ?? [];
    }
    return page;
  }

  private readonly _client: IPerijoveClient;
  private _filters: Filters = {};
  private _facets: Facets = {};
  private _catalogues: readonly ICatalogue[] = [];
}
