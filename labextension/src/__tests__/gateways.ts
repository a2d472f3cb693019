/** The routes about clusters as the models see them, played by a few lists. */

import { ApiError } from '../client';
import type { IComputeClient } from '../compute/client';
import { keyOf } from '../compute/clusters';
import type {
  ICluster,
  IClusterAnswer,
  IClusterId,
  IClusterOption,
  IClustersView,
  IDashboardPlot,
  IEstimate,
  IEstimateRequest,
  IGateway,
  IGatewayHealth,
  IGatewaysView,
  INewCluster,
  IStopped
} from '../compute/wire';
import type { ILease, ISnippet } from '../wire';

/** When these clusters were heard, unless a test says otherwise. */
export const HEARD = '2026-01-01T12:00:00Z';

/** A cluster that runs at esac with two workers. */
export function cluster(name: string, change: Partial<ICluster> = {}): ICluster {
  return {
    gateway: 'esac',
    gateway_title: 'ESAC',
    name,
    title: '',
    state: 'running',
    reason: null,
    capped: null,
    workers: 2,
    workers_wanted: 2,
    workers_granted: 2,
    adaptive: null,
    processing: 0,
    scheduler: { cpu: 1, memory_gib: 2 },
    worker: { cpu: 2, memory_gib: 4 },
    options: { cores: 2 },
    created: '2026-01-01T11:00:00Z',
    ended: null,
    idle_seconds: null,
    idle_stop_at: null,
    has_log: false,
    versions: null,
    dashboard: `dask/clusters/esac/${name}/dashboard/status`,
    lease_id: `lease-${name}`,
    cost: 0.1,
    cost_hour: 0.4,
    observed_at: HEARD,
    said: null,
    ...change
  };
}

/** A gateway that answers. */
export function health(gateway: string, change: Partial<IGatewayHealth> = {}): IGatewayHealth {
  return { gateway, title: gateway.toUpperCase(), reachable: true, observed_at: HEARD, reason: null, ...change };
}

/** An option of a gateway. */
export function option(
  field: string,
  kind: IClusterOption['kind'],
  change: Partial<IClusterOption> = {}
): IClusterOption {
  return { field, label: field, kind, default: null, minimum: null, maximum: null, choices: [], ...change };
}

/** A gateway that may be chosen. */
export function gateway(name: string, change: Partial<IGateway> = {}): IGateway {
  return {
    gateway: name,
    title: name.toUpperCase(),
    region: 'eu',
    reachable: true,
    reason: null,
    options: [option('cores', 'int', { default: 2, minimum: 1, maximum: 8 })],
    near: null,
    egress_cost: null,
    preferred: false,
    ...change
  };
}

/** What a cluster would mean that fits. */
export function estimateOf(change: Partial<IEstimate> = {}): IEstimate {
  return {
    resources: { cpu: 5, memory_gib: 10 },
    cost_hour: 0.3,
    currency: 'EUR',
    workers_max: 20,
    idle_stop_seconds: 1800,
    limits: [{ name: 'cores', label: 'Cores at once', unit: 'cores', left: 9, limit: 16 }],
    fits: true,
    why_not: null,
    warning: null,
    ...change
  };
}

/** Gateways that hold clusters, fail when told to, and remember what they were asked. */
export class FakeGateways implements IComputeClient {
  held: ICluster[] = [];
  health: IGatewayHealth[] = [health('esac')];
  gatewaysHeld: IGateway[] = [gateway('esac'), gateway('cloud')];
  estimateHeld = estimateOf();
  logHeld: string | null = null;
  plotsHeld: IDashboardPlot[] = [{ title: 'Progress', path: 'individual-progress' }];
  leasesHeld: ILease[] = [];
  /** What a gateway says to the next change, if it does not do all of it. */
  said: string | null = null;
  /** What is not stopped with all others. */
  notStopped: IStopped['failed'] = [];
  /** What every call fails with, if anything. */
  trouble: ApiError | null = null;
  /** What was asked, in order. */
  asked: string[] = [];
  /** The signals of the calls, in order. */
  signals: AbortSignal[] = [];
  /** Lets go of the questions that wait for a cluster. */
  release: (() => void)[] = [];

  gateways(dataset: string | null, signal?: AbortSignal): Promise<IGatewaysView> {
    const asked = dataset === null ? 'gateways' : `gateways ${dataset}`;
    return this._answer(asked, () => ({ items: this.gatewaysHeld, currency: 'EUR' }), signal);
  }

  clusters(): Promise<IClustersView> {
    return this._answer('clusters', () => ({ items: [...this.held], gateways: this.health, currency: 'EUR' }));
  }

  async cluster(id: IClusterId, wait: boolean, signal?: AbortSignal): Promise<ICluster> {
    if (wait) {
      this.asked.push(`wait ${id.name}`);
      await new Promise<void>(resolve => this.release.push(resolve));
      return this._answer('', () => this._find(id), signal);
    }
    return this._answer(`cluster ${id.name}`, () => this._find(id), signal);
  }

  create(asked: INewCluster): Promise<IClusterAnswer> {
    return this._answer(`create ${JSON.stringify(asked)}`, () => {
      const { gateway: at, options, title } = asked;
      const made = cluster('new', {
        gateway: at,
        options,
        title,
        state: 'starting',
        workers: null,
        workers_wanted: 'workers' in asked ? asked.workers : asked.minimum,
        workers_granted: 0
      });
      this.held = [made, ...this.held];
      return { cluster: made, said: this.said };
    });
  }

  estimate(asked: IEstimateRequest, signal: AbortSignal): Promise<IEstimate> {
    return this._answer(`estimate ${asked.gateway} ${asked.workers}`, () => this.estimateHeld, signal);
  }

  scale(id: IClusterId, workers: number): Promise<IClusterAnswer> {
    return this._change(`scale ${id.name} ${workers}`, id, { workers_wanted: workers });
  }

  adapt(id: IClusterId, minimum: number, maximum: number): Promise<IClusterAnswer> {
    return this._change(`adapt ${id.name} ${minimum} ${maximum}`, id, { adaptive: { minimum, maximum } });
  }

  keepCluster(id: IClusterId, minutes: number): Promise<IClusterAnswer> {
    return this._change(`keep ${id.name} ${minutes}`, id, { idle_stop_at: null });
  }

  stop(id: IClusterId): Promise<IClusterAnswer> {
    return this._change(`stop ${id.name}`, id, { state: 'stopping' });
  }

  stopAll(): Promise<IStopped> {
    return this._answer('stop all', () => ({
      stopped: this.held.map(({ gateway: at, name }) => ({ gateway: at, name })),
      failed: this.notStopped
    }));
  }

  log(id: IClusterId): Promise<string | null> {
    return this._answer(`log ${id.name}`, () => this.logHeld);
  }

  plots(id: IClusterId): Promise<IDashboardPlot[]> {
    return this._answer(`plots ${id.name}`, () => this.plotsHeld);
  }

  dashboardUrl(of: ICluster, path: string): string {
    return `/perijove/${path === '' ? of.dashboard : `dask/clusters/${keyOf(of)}/dashboard/${path}`}`;
  }

  clusterSnippet(id: IClusterId): Promise<ISnippet> {
    return this._answer(`snippet ${id.name}`, () => ({ language: 'python', code: 'from dask_gateway import Gateway' }));
  }

  leases(): Promise<ILease[]> {
    return this._answer('leases', () => this.leasesHeld);
  }

  /** Changes what is held of a cluster. */
  set(name: string, change: Partial<ICluster>): void {
    this.held = this.held.map(each => (each.name === name ? { ...each, ...change } : each));
  }

  private _find(id: IClusterId): ICluster {
    const found = this.held.find(each => keyOf(each) === keyOf(id));
    if (!found) {
      throw new ApiError(404, 'There is no such cluster.');
    }
    return found;
  }

  private _change(asked: string, id: IClusterId, change: Partial<ICluster>): Promise<IClusterAnswer> {
    return this._answer(asked, () => {
      this.set(id.name, change);
      return { cluster: this._find(id), said: this.said };
    });
  }

  private async _answer<T>(asked: string, answer: () => T, signal?: AbortSignal): Promise<T> {
    if (asked) {
      this.asked.push(asked);
    }
    if (signal) {
      this.signals.push(signal);
    }
    const { trouble } = this;
    await Promise.resolve();
    if (trouble !== null) {
      throw trouble;
    }
    return answer();
  }
}
