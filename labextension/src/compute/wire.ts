/**
 * What the server extension says of clusters, as TypeScript types.
 *
 * The models themselves live in `server_ext/perijove/models/compute.py` and `gateways.py`; names and meanings are the
 * same here.
 */

import type { IResources } from '../wire';

/** Anything that JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The life of a cluster, as its gateway sees it. */
export type ClusterState = 'requested' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** Which cluster: names are unique within a gateway only. */
export interface IClusterId {
  gateway: string;
  name: string;
}

/** One option of a gateway, for a form. */
export interface IClusterOption {
  field: string;
  label: string;
  kind: 'string' | 'bool' | 'int' | 'float' | 'select' | 'mapping';
  default: Json;
  minimum: number | null;
  maximum: number | null;
  /** Those of a `select`. */
  choices: Json[];
}

/** One gateway with its options; `near`, `egress_cost` and `preferred` are about a dataset. */
export interface IGateway {
  gateway: string;
  title: string;
  region: string;
  reachable: boolean;
  /** Why it is not reachable, in a sentence. */
  reason: string | null;
  options: IClusterOption[];
  /** In words: where the dataset would be read. */
  near: string | null;
  /** What to read all of the dataset would cost. */
  egress_cost: number | null;
  preferred: boolean;
}

/** All gateways; the first is the one that is taken when none is named. */
export interface IGatewaysView {
  items: IGateway[];
  currency: string | null;
}

/** How current a list is; `observed_at` is when the gateway last answered, null if it never has. */
export interface IGatewayHealth {
  gateway: string;
  title: string;
  reachable: boolean;
  observed_at: string | null;
  reason: string | null;
}

/** Between how many workers a cluster chooses by itself. */
export interface IAdaptive {
  minimum: number;
  maximum: number;
}

/** What a scheduler runs on. */
export interface IVersions {
  python: string;
  packages: Record<string, string>;
}

/** One cluster. */
export interface ICluster extends IClusterId {
  gateway_title: string;
  title: string;
  state: ClusterState;
  /** Why it is over, or about to be, or what it waits for. */
  reason: string | null;
  /** What is in the way when more workers were asked for than were granted. */
  capped: string | null;
  /** Those that its scheduler has; null when nobody knows. */
  workers: number | null;
  /** Those that were asked for, or are asked for once it runs. */
  workers_wanted: number;
  /** Those that its lease has room for. */
  workers_granted: number;
  adaptive: IAdaptive | null;
  /** How many tasks run. */
  processing: number | null;
  scheduler: IResources;
  worker: IResources;
  options: Record<string, Json>;
  created: string;
  ended: string | null;
  idle_seconds: number | null;
  /** When it is stopped because nothing runs in it; null while something does, or if that is never. */
  idle_stop_at: string | null;
  /** Whether the end of its logs can be asked for. */
  has_log: boolean;
  versions: IVersions | null;
  /** The address of the first page of its dashboard below `perijove/`; null while there is none. */
  dashboard: string | null;
  lease_id: string | null;
  /** So far. */
  cost: number | null;
  /** At what it holds now. */
  cost_hour: number | null;
  /** When its gateway said all this. */
  observed_at: string;
  /** What was said to the workers that it was started with, if not all of them come. */
  said: string | null;
}

/** One list over all gateways, newest first; those that are over for the last 24 hours. */
export interface IClustersView {
  items: ICluster[];
  gateways: IGatewayHealth[];
  currency: string | null;
}

/** The cluster as it is after a change, and what the gateway said if it did not do all of it. */
export interface IClusterAnswer {
  cluster: ICluster;
  said: string | null;
}

/** What came of an end to all clusters: those that are being stopped, and those that are not, and why. */
export interface IStopped {
  stopped: IClusterId[];
  /** Without a name where a gateway did not even tell its clusters. */
  failed?: { gateway: string; name: string | null; reason: string }[];
}

/** How many workers, or between how many a cluster chooses by itself. */
export type Size = { workers: number } | IAdaptive;

/** What a user chooses for a cluster; its workers come once it runs, whether this page is still open then or not. */
export type INewCluster = Size & {
  gateway: string;
  options: Record<string, Json>;
  title: string;
};

/** What would a cluster with so many workers mean? */
export interface IEstimateRequest {
  gateway: string;
  options: Record<string, Json>;
  workers: number;
}

/** What a limit would still leave after the cluster began; below 0: it does not fit. */
export interface ILimitLeft {
  name: string;
  label: string;
  unit: string;
  left: number;
  limit: number;
}

/** What a cluster would hold and cost, and whether it fits into all limits as they are now. */
export interface IEstimate {
  resources: IResources;
  cost_hour: number | null;
  currency: string | null;
  workers_max: number | null;
  idle_stop_seconds: number | null;
  limits: ILimitLeft[];
  fits: boolean;
  why_not: string | null;
  /** That its site may not have room for all of it. */
  warning: string | null;
}

/** One plot of a dashboard; `path` is below the cluster's `dashboard/`. */
export interface IDashboardPlot {
  title: string;
  path: string;
}
