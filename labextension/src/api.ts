/**
 * The one way to the server extension: every call goes through {@link PerijoveClient}, and there through {@link Http}.
 */

import type { ServerConnection } from '@jupyterlab/services';
import { ApiError, IObjectHead, IPerijoveClient, ISnippetPlace, ITreeWish } from './client';
import { ComputeClient } from './compute/api';
import type { IComputeClient } from './compute/client';
import { Http } from './http';
import type {
  ICopy,
  IDataset,
  IDatasetPage,
  IDatasetQuery,
  IEntryPage,
  ILease,
  INotice,
  IPage,
  IPreviewOptions,
  ISnippet,
  IUsage,
  Preview
} from './wire';

/** Calls the server extension of the Jupyter server that this Lab belongs to. */
export class PerijoveClient implements IPerijoveClient {
  readonly compute: IComputeClient;

  constructor(settings: ServerConnection.ISettings) {
    this._http = new Http(settings);
    this.compute = new ComputeClient(this._http);
  }

  datasets(query: IDatasetQuery, cursor: string | null, signal: AbortSignal): Promise<IDatasetPage> {
    return this._http.json('datasets', { ...query, cursor }, signal);
  }

  dataset(id: string, signal?: AbortSignal): Promise<IDataset> {
    return this._http.json(of(id), {}, signal);
  }

  copies(dataset: string, signal: AbortSignal): Promise<IPage<ICopy>> {
    return this._http.json(of(dataset, 'copies'), {}, signal);
  }

  tree(dataset: string, wish: ITreeWish, signal?: AbortSignal): Promise<IEntryPage> {
    return this._http.json(of(dataset, 'tree'), { ...wish, prefix: wish.prefix || null }, signal);
  }

  async head(dataset: string, path: string): Promise<IObjectHead | null> {
    try {
      const { headers } = await this._http.request(of(dataset, 'file'), { path }, undefined, { method: 'HEAD' });
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
    return (await this._http.request(of(dataset, 'file'), { path })).arrayBuffer();
  }

  fileUrl(dataset: string, path: string): string {
    return this._http.address(of(dataset, 'file'), { path });
  }

  preview(dataset: string, path: string, options: IPreviewOptions, signal: AbortSignal): Promise<Preview> {
    const { index, window: part, limits, ...rest } = options;
    const query = { path, ...rest, index: index?.join(','), window: part?.join(','), limits: limits?.join(',') };
    return this._http.json(of(dataset, 'preview'), query, signal);
  }

  async picture(url: string, signal: AbortSignal): Promise<Blob> {
    return (await this._http.request(url, {}, signal)).blob();
  }

  snippet(dataset: string, path: string, place: ISnippetPlace = {}): Promise<ISnippet> {
    return this._http.json(of(dataset, 'snippet'), { path, ...place });
  }

  usage(signal?: AbortSignal): Promise<IUsage> {
    return this._http.json('usage', {}, signal);
  }

  keep(minutes: number): Promise<ILease> {
    return this._http.post('keep', { minutes });
  }

  notices(): Promise<IPage<INotice>> {
    return this._http.json('notices', {});
  }

  private readonly _http: Http;
}

/** The route of a dataset, or of `part` of it. */
function of(dataset: string, part = ''): string {
  return `datasets/${encodeURIComponent(dataset)}${part && `/${part}`}`;
}
