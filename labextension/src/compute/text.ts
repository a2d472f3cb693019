/** Clusters in words. Pure: the time is passed in. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { formatCost, formatLength, formatNumber } from '../format';
import type { IResources } from '../wire';
import { isPending } from './clusters';
import { wordOf } from './fields';
import type { ClusterState, ICluster, IEstimate, IGateway, IGatewayHealth, ILimitLeft, Json, Size } from './wire';

/** So many characters of a name tell clusters apart for a person. */
const SHORT_NAME_CHARACTERS = 8;

/** What a person calls a cluster: its title, or the beginning of its name. */
export function titleOf({ title, name }: Pick<ICluster, 'title' | 'name'>): string {
  return title || name.slice(name.lastIndexOf('.') + 1).slice(0, SHORT_NAME_CHARACTERS);
}

/** The state of a cluster in a word. */
export function stateText(state: ClusterState, trans: TranslationBundle): string {
  switch (state) {
    case 'requested':
      return trans.__('Requested');
    case 'starting':
      return trans.__('Starting');
    case 'running':
      return trans.__('Running');
    case 'stopping':
      return trans.__('Stopping');
    case 'stopped':
      return trans.__('Stopped');
    case 'failed':
      return trans.__('Failed');
  }
}

/** How many workers there are, were granted and were asked for: `2 of 4 granted, 10 wanted`. */
export function workersText(cluster: ICluster, trans: TranslationBundle): string {
  const { workers, workers_granted: granted, workers_wanted: wanted, adaptive } = cluster;
  if (isPending(cluster) && (adaptive || wanted > 0)) {
    return sizeText(adaptive ?? { workers: wanted }, trans);
  }
  const said: string[] = [];
  if (workers === null) {
    // nobody has counted them yet
    said.push(wanted > 0 ? trans._n('%1 worker wanted', '%1 workers wanted', wanted) : trans.__('No workers yet'));
  } else if (wanted > granted) {
    said.push(trans.__('%1 of %2 workers granted, %3 wanted', workers, granted, wanted));
  } else if (workers < granted) {
    said.push(trans.__('%1 of %2 workers', workers, granted));
  } else {
    said.push(trans._n('%1 worker', '%1 workers', workers));
  }
  if (adaptive) {
    said.push(trans.__('adapts from %1 to %2', adaptive.minimum, adaptive.maximum));
  }
  return said.join(', ');
}

/** What a cluster costs: `0.12 EUR so far, 0.40 EUR per hour`; empty when nobody knows. */
export function clusterCostText(
  { cost, cost_hour: hourly, ended }: ICluster,
  currency: string,
  trans: TranslationBundle
): string {
  const said: string[] = [];
  if (cost !== null) {
    said.push(ended ? formatCost(cost, currency) : trans.__('%1 so far', formatCost(cost, currency)));
  }
  if (hourly !== null && !ended) {
    said.push(trans.__('%1 per hour', formatCost(hourly, currency)));
  }
  return said.join(', ');
}

/** When a cluster stops by itself; empty while something runs in it, or when that is never. */
export function idleText({ idle_stop_at: at }: ICluster, now: number, trans: TranslationBundle): string {
  return at === null ? '' : trans.__('Stops in %1 because nothing runs in it', formatLength(Date.parse(at) - now));
}

/** How long ago something was, in its two greatest units. */
export function agoText(at: string | null, now: number, trans: TranslationBundle): string {
  const time = Date.parse(at ?? '');
  if (Number.isNaN(time)) {
    return '';
  }
  const minutes = Math.floor((now - time) / 60_000);
  return minutes < 1 ? trans.__('just now') : trans.__('%1 ago', formatLength(minutes * 60_000));
}

/** The workers that a cluster is to have and does not have yet. */
export function sizeText(size: Size, trans: TranslationBundle): string {
  if ('workers' in size) {
    const { workers } = size;
    return workers > 0
      ? trans._n('%1 worker is asked for once it runs', '%1 workers are asked for once it runs', workers)
      : trans.__('No workers yet');
  }
  return trans.__('Adapts from %1 to %2 workers once it runs', size.minimum, size.maximum);
}

/** Why what is shown is old: `as of 3 min ago: ESAC does not answer`. */
export function staleText(silent: IGatewayHealth, at: string, now: number, trans: TranslationBundle): string {
  return trans.__('As of %1: %2', agoText(at, now, trans), silenceText(silent, trans));
}

/** That a gateway does not answer. */
export function silenceText({ title, reason }: IGatewayHealth, trans: TranslationBundle): string {
  return reason || trans.__('%1 does not answer.', title);
}

/** When, and after how long a life, a cluster ended. */
export function endedText(cluster: ICluster, now: number, trans: TranslationBundle): string {
  const { ended, created } = cluster;
  const state = stateText(cluster.state, trans);
  return ended
    ? trans.__(
        '%1 %2, after %3',
        state,
        agoText(ended, now, trans),
        formatLength(Date.parse(ended) - Date.parse(created))
      )
    : state;
}

/** Cores, memory and GPUs: `4 cores, 16 GiB`. */
export function resourcesText({ cpu, memory_gib: memory, gpu = 0 }: IResources, trans: TranslationBundle): string {
  const said = [trans._n('%2 core', '%2 cores', cpu, formatNumber(cpu)), trans.__('%1 GiB', formatNumber(memory))];
  if (gpu > 0) {
    said.push(trans._n('%1 GPU', '%1 GPUs', gpu));
  }
  return said.join(', ');
}

/** One option and its value: `worker_cores: 2`. */
export function optionText(field: string, value: Json): string {
  return `${field}: ${wordOf(value)}`;
}

/** One gateway of a list to choose from, with what tells it apart. */
export function gatewayText(gateway: IGateway, trans: TranslationBundle): string {
  const { title, reachable, preferred } = gateway;
  if (!reachable) {
    return trans.__('%1 (does not answer)', title);
  }
  return preferred ? trans.__('%1 (nearest to the data)', title) : title;
}

/** What is to be known of a gateway before it is chosen, a sentence each. */
export function gatewayNotes(gateway: IGateway, currency: string, trans: TranslationBundle): string[] {
  const { title, reachable, reason, near, egress_cost: cost } = gateway;
  if (!reachable) {
    return [reason || trans.__('%1 does not answer.', title)];
  }
  const notes = near ? [near] : [];
  if (cost !== null && cost > 0) {
    notes.push(trans.__('Reading all of the dataset from here costs %1.', formatCost(cost, currency)));
  }
  return notes;
}

/** What an estimate says beside the limits, a sentence each. */
export function estimateNotes(estimate: IEstimate, currency: string, trans: TranslationBundle): string[] {
  const { resources, cost_hour: hourly, idle_stop_seconds: idle } = estimate;
  const holds = resourcesText(resources, trans);
  const unit = estimate.currency ?? currency;
  return [
    hourly === null
      ? trans.__('It holds %1.', holds)
      : trans.__('%1 per hour for %2.', formatCost(hourly, unit), holds),
    ...(idle ? [trans.__('Stops by itself when nothing has run in it for %1.', formatLength(idle * 1000))] : [])
  ];
}

/** What an estimate warns of, a sentence each. */
export function estimateWarnings(estimate: IEstimate, trans: TranslationBundle): string[] {
  const { fits, why_not: whyNot, warning, idle_stop_seconds: idle } = estimate;
  const misfit = fits ? '' : (whyNot ?? trans.__('It does not fit into your limits as they are now.'));
  return [misfit, warning ?? '', idle ? '' : trans.__('It does not stop by itself.')].filter(Boolean);
}

/** What a limit would leave: `6 of 16 cores left`. */
export function leftText({ left, limit, unit }: ILimitLeft, trans: TranslationBundle): string {
  return left < 0
    ? trans.__('%1 %2 too many (limit %3)', formatNumber(-left), unit, formatNumber(limit))
    : trans.__('%1 of %2 %3 left', formatNumber(left), formatNumber(limit), unit);
}

/** What a cluster runs on: `Python 3.12, dask 2026.6`; empty when nobody knows. */
export function versionsText({ versions }: ICluster, trans: TranslationBundle): string {
  if (!versions) {
    return '';
  }
  const packages = Object.entries(versions.packages).map(([name, version]) => `${name} ${version}`);
  return [trans.__('Python %1', versions.python), ...packages].join(', ');
}

/** Why a cluster is over, to stand for itself: gateways say it as a part of a sentence. */
export function reasonText({ reason }: ICluster): string {
  return reason ? reason.charAt(0).toUpperCase() + reason.slice(1) : '';
}

/** How a cluster ended, for a notification or a screen reader. */
export function overText(cluster: ICluster, trans: TranslationBundle): string {
  const { state, reason } = cluster;
  const title = titleOf(cluster);
  if (state === 'failed') {
    return reason ? trans.__('Cluster %1 failed: %2', title, reason) : trans.__('Cluster %1 failed.', title);
  }
  return reason ? trans.__('Cluster %1 stopped: %2', title, reason) : trans.__('Cluster %1 stopped.', title);
}
