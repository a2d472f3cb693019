/** The one function through which every call to the server extension goes. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ApiError, Query } from './client';

/** Where the server extension's routes begin, below the Jupyter server's base URL. */
const NAMESPACE = 'perijove';

/** Calls routes of the server extension; whatever goes wrong is an {@link ApiError}. */
export class Http {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  /** The JSON that a route answers, to a GET unless `change` says otherwise. */
  async json<T>(route: string, query: Query, signal?: AbortSignal, change?: RequestInit): Promise<T> {
    const response = await this.request(route, query, signal, change);
    try {
      return (await response.json()) as T;
    } catch {
      throw new ApiError(response.status, 'The server did not answer in JSON; its Perijove extension may be missing.');
    }
  }

  /** The JSON that a route answers to a POST of `body`. */
  post<T>(route: string, body: object, signal?: AbortSignal): Promise<T> {
    return this.json(route, {}, signal, { method: 'POST', body: JSON.stringify(body) });
  }

  /** One request to one route, a GET unless `change` says otherwise. */
  async request(route: string, query: Query, signal?: AbortSignal, change?: RequestInit): Promise<Response> {
    const url = this.address(route, query);
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

  /** Where a browser finds a route. */
  address(route: string, query: Query = {}): string {
    const given = Object.entries(query).flatMap(([key, value]) => [value ?? []].flat().map(one => [key, String(one)]));
    const search = new URLSearchParams(given).toString();
    return URLExt.join(this._settings.baseUrl, NAMESPACE, route) + (search ? `?${search}` : '');
  }

  private readonly _settings: ServerConnection.ISettings;
}
