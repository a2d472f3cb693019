/** What the models need of the server about clusters; tests can stand in for it. */

import type { ILease, ISnippet } from '../wire';
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

/** The calls about clusters. Each rejects with an `ApiError` and with nothing else. */
export interface IComputeClient {
  /** The gateways that this user may use, seen from where a dataset is, if one is given. */
  gateways(dataset: string | null, signal?: AbortSignal): Promise<IGatewaysView>;

  /** The clusters of this user on all gateways. */
  clusters(signal?: AbortSignal): Promise<IClustersView>;

  /** One cluster; with `wait` the answer comes when it no longer starts, or after 20 seconds. */
  cluster(id: IClusterId, wait: boolean, signal?: AbortSignal): Promise<ICluster>;

  /** Starts a cluster, which gets its workers once it runs. */
  create(asked: INewCluster): Promise<IClusterAnswer>;

  /** What a cluster would cost and what would be left of the limits. */
  estimate(asked: IEstimateRequest, signal: AbortSignal): Promise<IEstimate>;

  /** Gives a cluster so many workers. */
  scale(id: IClusterId, workers: number): Promise<IClusterAnswer>;

  /** Lets a cluster choose how many workers it has. */
  adapt(id: IClusterId, minimum: number, maximum: number): Promise<IClusterAnswer>;

  /** Does not stop a cluster for being idle, for so long. */
  keepCluster(id: IClusterId, minutes: number): Promise<IClusterAnswer>;

  /** Stops a cluster. */
  stop(id: IClusterId): Promise<IClusterAnswer>;

  /** Stops all clusters of this user. */
  stopAll(): Promise<IStopped>;

  /** The end of the logs of a cluster that failed; null when there are none. */
  log(id: IClusterId, signal?: AbortSignal): Promise<string | null>;

  /** The plots of a cluster's dashboard. */
  plots(id: IClusterId, signal?: AbortSignal): Promise<IDashboardPlot[]>;

  /** Where a browser finds a page of a cluster's dashboard: the first one for an empty path. */
  dashboardUrl(cluster: ICluster, path: string): string;

  /** Code that connects to a cluster. */
  clusterSnippet(id: IClusterId): Promise<ISnippet>;

  /** What this user runs anywhere, this session included. */
  leases(signal?: AbortSignal): Promise<ILease[]>;
}
