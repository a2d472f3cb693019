/** Clusters as plain data: which is which, and how an answer changes a list. Pure. */

import type { ICluster, IClusterId, IClustersView, IGatewayHealth } from './wire';

/** One string for a cluster, since names are unique within a gateway only. */
export function keyOf({ gateway, name }: IClusterId): string {
  return `${gateway}/${name}`;
}

/** The cluster that the arguments of a command name, or null. */
export function clusterOf({ gateway, name }: Readonly<Record<string, unknown>>): IClusterId | null {
  return typeof gateway === 'string' && typeof name === 'string' ? { gateway, name } : null;
}

/** Whether two mean the same cluster. */
export function isSameCluster(one: IClusterId, other: IClusterId): boolean {
  return one.gateway === other.gateway && one.name === other.name;
}

/** Whether nothing of a cluster is left. */
export function isOver({ state }: ICluster): boolean {
  return state === 'stopped' || state === 'failed';
}

/** Whether a cluster is about to run. */
export function isPending({ state }: ICluster): boolean {
  return state === 'requested' || state === 'starting';
}

/** Whether a cluster is stopped for being idle within so many milliseconds. */
export function isIdleSoon({ idle_stop_at: at, state }: ICluster, now: number, milliseconds: number): boolean {
  return state === 'running' && at !== null && Date.parse(at) - now < milliseconds;
}

/** A new list, but of each cluster what was said last: the old list may hold answers that came after it was asked for. */
export function merge(old: IClustersView | null, heard: IClustersView): IClustersView {
  const items = heard.items.map(cluster => {
    const known = old?.items.find(each => isSameCluster(each, cluster));
    return known && Date.parse(known.observed_at) > Date.parse(cluster.observed_at) ? known : cluster;
  });
  return { ...heard, items };
}

/** The list with a cluster in its place, or at the beginning when it is new; an older word about it changes nothing. */
export function withCluster(view: IClustersView, cluster: ICluster): IClustersView {
  const known = view.items.find(each => isSameCluster(each, cluster));
  if (!known) {
    return { ...view, items: [cluster, ...view.items] };
  }
  const isOld = Date.parse(known.observed_at) > Date.parse(cluster.observed_at);
  return isOld ? view : { ...view, items: view.items.map(each => (each === known ? cluster : each)) };
}

/** The cluster whose name is a part of the path of an address, as in that of a dashboard; or undefined. */
export function clusterInUrl(clusters: readonly ICluster[], url: string): ICluster | undefined {
  let parts: string[];
  try {
    parts = new URL(url, 'http://relative.invalid/').pathname.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const found = clusters.filter(({ name }) => parts.includes(name));
  // names may be the same on two gateways: the one that runs is meant
  return found.find(each => !isOver(each)) ?? found[0];
}

/** Why what is told of a cluster is old: its gateway, if that does not answer. */
export function silentGateway(view: IClustersView | null, cluster: ICluster): IGatewayHealth | undefined {
  return view?.gateways.find(({ gateway, reachable }) => gateway === cluster.gateway && !reachable);
}
