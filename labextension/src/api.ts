/**
 * The one way to the server extension: every call goes through {@link PerijoveClient}, and there through one function.
 */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ApiError, IObjectHead, IPerijoveClient, ISnippetPlace, ITreeWish, Query } from './client';
import type {
  ICopy,
  IDataset,
  IDatasetPage,
  IDatasetQuery,
  ILease,
  INotice,
  IPage,
  IPreviewOptions,
  ISnippet,
  ITreeEntry,
  IUsage,
  Preview
} from './wire';

/** Where the server extension's routes begin, below the Jupyter server's base URL. */
const NAMESPACE = 'perijove';

/** Calls the server extension of the Jupyter server that this Lab belongs to. */
export class PerijoveClient implements IPerijoveClient {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  datasets(query: IDatasetQuery, cursor: string | null, signal: AbortSignal): Promise<IDatasetPage> {
    return this._json('datasets', { ...query, cursor }, signal);
  }

  dataset(id: string, signal?: AbortSignal): Promise<IDataset> {
    return this._json(of(id), {}, signal);
  }

  copies(dataset: string, signal: AbortSignal): Promise<IPage<ICopy>> {
    return this._json(of(dataset, 'copies'), {}, signal);
  }

  tree(dataset: string, wish: ITreeWish, signal?: AbortSignal): Promise<IPage<ITreeEntry>> {
    return this._json(of(dataset, 'tree'), { ...wish, prefix: wish.prefix || null }, signal);
  }

  async head(dataset: string, path: string): Promise<IObjectHead | null> {
    try {
      const { headers } = await this._request(of(dataset, 'file'), { path }, undefined, { method: 'HEAD' });
      const length = headers.get('Content-Length');
      return { size_bytes: length === null ? null : Number(length), modified: headers.get('Last-Modified') };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return null;
      }
      throw error;
    }
  }

  async file(dataset: string, path: string): Promise<ArrayBuffer> {
    return (await this._request(of(dataset, 'file'), { path })).arrayBuffer();
  }

  fileUrl(dataset: string, path: string): string {
    return this._address(of(dataset, 'file'), { path });
  }

  preview(dataset: string, path: string, options: IPreviewOptions, signal: AbortSignal): Promise<Preview> {
    const { index, window: part, limits, ...rest } = options;
    const query = { path, ...rest, index: index?.join(','), window: part?.join(','), limits: limits?.join(',') };
    return this._json(of(dataset, 'preview'), query, signal);
  }

  async picture(url: string, signal: AbortSignal): Promise<Blob> {
    return (await this._request(url, {}, signal)).blob();
  }

  snippet(dataset: string, path: string, place: ISnippetPlace = {}): Promise<ISnippet> {
    return this._json(of(dataset, 'snippet'), { path, ...place });
  }

  usage(signal?: AbortSignal): Promise<IUsage> {
    return this._json('usage', {}, signal);
  }

  keep(minutes: number): Promise<ILease> {
    return this._json('keep', {}, undefined, { method: 'POST', body: JSON.stringify({ minutes }) });
  }

  notices(): Promise<IPage<INotice>> {
    return this._json('notices', {});
  }

  private async _json<T>(route: string, query: Query, signal?: AbortSignal, init?: RequestInit): Promise<T> {
    const response = await this._request(route, query, signal, init);
    try {
      return (await response.json()) as T;
    } catch {
      throw new ApiError(response.status, 'The server did not answer in JSON; its Perijove extension may be missing.');
    }
  }

  /** One request to one route, a GET unless `change` says otherwise; whatever goes wrong is an {@link ApiError}. */
  private async _request(route: string, query: Query, signal?: AbortSignal, change?: RequestInit): Promise<Response> {
    const url = this._address(route, query);
    let response: Response;
    try {
      // 'no-cache' asks the server each time; JupyterLab's own 'no-store' would add a bare number to the query
      const init: RequestInit = { method: 'GET', cache: 'no-cache', signal, ...change };
      response = await ServerConnection.makeRequest(url, init, this._settings);
    } catch {
      throw new ApiError(0, 'The Jupyter server cannot be reached. Check the network, then try again.');
    }
    if (!response.ok) {
      throw await ApiError.from(response);
    }
    return response;
  }

  private _address(route: string, query: Query): string {
    const given = Object.entries(query).flatMap(([key, value]) => [value ?? []].flat().map(one => [key, String(one)]));
    const search = new URLSearchParams(given).toString();
    return URLExt.join(this._settings.baseUrl, NAMESPACE, route) + (search ? `?${search}` : '');
  }

  private readonly _settings: ServerConnection.ISettings;
}

/** The route of a dataset, or of `part` of it. */
function of(dataset: string, part = ''): string {
  return `datasets/${encodeURIComponent(dataset)}${part && `/${part}`}`;
}
