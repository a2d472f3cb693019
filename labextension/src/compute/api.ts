/** The routes of the server extension about clusters. */

import type { Http } from '../http';
import type { ILease, ISnippet } from '../wire';
import type { IComputeClient } from './client';
import type {
  ICluster,
  IClusterAnswer,
  IClusterId,
  IClustersView,
  IDashboardPlot,
  IEstimate,
  IEstimateRequest,
  IGatewaysView,
  INewCluster,
  IStopped
} from './wire';

const CLUSTERS = 'dask/clusters';

/** Calls them. */
export class ComputeClient implements IComputeClient {
  constructor(http: Http) {
    this._http = http;
  }

  gateways(dataset: string | null, signal?: AbortSignal): Promise<IGatewaysView> {
    return this._http.json('dask/gateways', { dataset }, signal);
  }

  clusters(signal?: AbortSignal): Promise<IClustersView> {
    return this._http.json(CLUSTERS, {}, signal);
  }

  cluster(id: IClusterId, wait: boolean, signal?: AbortSignal): Promise<ICluster> {
    return this._http.json(of(id), { wait: wait ? 1 : null }, signal);
  }

  create(asked: INewCluster): Promise<IClusterAnswer> {
    return this._http.post(CLUSTERS, asked);
  }

  estimate(asked: IEstimateRequest, signal: AbortSignal): Promise<IEstimate> {
    return this._http.post('dask/estimates', asked, signal);
  }

  scale(id: IClusterId, workers: number): Promise<IClusterAnswer> {
    return this._http.post(of(id, 'scale'), { workers });
  }

  adapt(id: IClusterId, minimum: number, maximum: number): Promise<IClusterAnswer> {
    return this._http.post(of(id, 'adapt'), { minimum, maximum });
  }

  keepCluster(id: IClusterId, minutes: number): Promise<IClusterAnswer> {
    return this._http.post(of(id, 'keep'), { minutes });
  }

  stop(id: IClusterId): Promise<IClusterAnswer> {
    return this._http.json(of(id), {}, undefined, { method: 'DELETE' });
  }

  stopAll(): Promise<IStopped> {
    return this._http.json(CLUSTERS, {}, undefined, { method: 'DELETE' });
  }

  async log(id: IClusterId, signal?: AbortSignal): Promise<string | null> {
    return (await this._http.json<{ log_tail: string | null }>(of(id, 'log'), {}, signal)).log_tail;
  }

  async plots(id: IClusterId, signal?: AbortSignal): Promise<IDashboardPlot[]> {
    return (await this._http.json<{ items: IDashboardPlot[] }>(of(id, 'plots'), {}, signal)).items;
  }

  dashboardUrl(cluster: ICluster, path: string): string {
    const page =
      path === '' ? (cluster.dashboard ?? of(cluster, 'dashboard/status')) : of(cluster, `dashboard/${path}`);
    return this._http.address(page);
  }

  clusterSnippet(id: IClusterId): Promise<ISnippet> {
    return this._http.json(of(id, 'snippet'), {});
  }

  async leases(signal?: AbortSignal): Promise<ILease[]> {
    return (await this._http.json<{ items: ILease[] }>('leases', {}, signal)).items;
  }

  private readonly _http: Http;
}

/** The route of a cluster, or of `part` of it. */
function of({ gateway, name }: IClusterId, part = ''): string {
  return `${CLUSTERS}/${encodeURIComponent(gateway)}/${encodeURIComponent(name)}${part && `/${part}`}`;
}
