/**
 * One plot of a cluster's dashboard: where it is now, or why it is nowhere. No DOM in here.
 *
 * A gateway, a cluster and a title say which plot is meant for as long as the cluster lives; an address would not.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { ApiError, sentenceOf } from '../client';
import { isOver, isPending } from './clusters';
import type { ComputeModel } from './model';
import type { ICluster, IClusterId } from './wire';

/** How long an iframe that nobody sees goes on. */
export const UNLOAD_MILLISECONDS = 5 * 60_000;

/** How a plot is: sought, waiting for its cluster to run, shown, over with its cluster, or not to be had now. */
export type PlotState = 'loading' | 'pending' | 'shown' | 'ended' | 'failed';

/** The state behind one tab. */
export class PlotModel {
  /**
   * @param clusters - the list, which tells when the cluster is over
   * @param id - the cluster
   * @param plot - the title of the plot; empty for the whole dashboard
   */
  constructor(
    private readonly _clusters: ComputeModel,
    readonly id: IClusterId,
    readonly plot: string
  ) {
    this._cluster = _clusters.find(id) ?? null;
    _clusters.changed.connect(this._look);
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get state(): PlotState {
    return this._state;
  }

  /** Where the plot is; null unless it is shown and somebody sees it, or did just now. */
  get url(): string | null {
    return this._state === 'shown' && !this._isAsleep ? this._url : null;
  }

  /** Why it cannot be had; empty unless it has failed. */
  get error(): string {
    return this._error;
  }

  /** The cluster as last heard; null when nobody knows it any more. */
  get cluster(): ICluster | null {
    return this._clusters.find(this.id) ?? this._cluster;
  }

  /** Whether somebody sees the tab. What is hidden for long is unloaded: it draws and asks all the time. */
  setVisible(visible: boolean): void {
    window.clearTimeout(this._timer);
    this._clusters.watch(this, visible);
    if (visible) {
      const wasAsleep = this._isAsleep;
      this._isAsleep = false;
      if (this._state === 'loading' && !this._call) {
        void this.load();
      } else if (wasAsleep) {
        // it may have ended in the meantime
        void this.load();
      }
    } else {
      this._timer = window.setTimeout(() => {
        this._isAsleep = true;
        this._changed.emit();
      }, UNLOAD_MILLISECONDS);
    }
  }

  /** Looks where the plot is. */
  async load(): Promise<void> {
    this._call?.abort();
    const call = new AbortController();
    this._call = call;
    this._set(call, 'loading');
    const { client } = this._clusters;
    try {
      const cluster = await client.cluster(this.id, false, call.signal);
      this._cluster = cluster;
      if (cluster.state !== 'running') {
        this._set(call, isPending(cluster) ? 'pending' : 'ended');
        return;
      }
      const plots = this.plot === '' ? [] : await client.plots(this.id, call.signal);
      const found = plots.find(({ title }) => title === this.plot);
      // a newer Dask may have no plot of this title: the dashboard leads to what it has
      this._url = client.dashboardUrl(cluster, found?.path ?? '');
      this._set(call, 'shown');
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        this._set(call, 'ended');
      } else {
        this._error = sentenceOf(error);
        this._set(call, 'failed');
      }
    }
  }

  /** Gives up all that is under way. */
  dispose(): void {
    window.clearTimeout(this._timer);
    this._call?.abort();
    this._clusters.watch(this, false);
    this._clusters.changed.disconnect(this._look);
    Signal.clearData(this);
  }

  /** The list tells when the cluster has ended, and when one that was awaited runs. */
  private readonly _look = (): void => {
    const cluster = this._clusters.find(this.id);
    if (cluster && isOver(cluster) && (this._state === 'shown' || this._state === 'pending')) {
      this._state = 'ended';
      this._changed.emit();
    } else if (cluster?.state === 'running' && this._state === 'pending') {
      void this.load();
    }
  };

  private _set(call: AbortController, state: PlotState): void {
    if (!call.signal.aborted) {
      this._state = state;
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _state: PlotState = 'loading';
  private _cluster: ICluster | null;
  private _url = '';
  private _error = '';
  private _isAsleep = false;
  private _call: AbortController | null = null;
  private _timer = 0;
}
