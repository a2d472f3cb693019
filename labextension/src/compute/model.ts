/**
 * The clusters of a user on all gateways, and what else they run. No DOM in here.
 */

import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { sentenceOf } from '../client';
import type { ILease } from '../wire';
import type { IComputeClient } from './client';
import { isOver, isPending, keyOf, merge, withCluster } from './clusters';
import { Waiting } from './waiting';
import type { ICluster, IClusterAnswer, IClusterId, IClustersView, INewCluster } from './wire';

/** How often the list is asked for while somebody looks. */
export const POLL_MILLISECONDS = 5000;

/** The longest wait after failures. */
const LONGEST_WAIT_MILLISECONDS = 60_000;

/** How often other things that run are asked for: they change seldom. */
const LEASES_MILLISECONDS = 60_000;

/** By how many minutes a cluster is kept on. */
export const KEEP_MINUTES = 30;

/** What was said to the last change of a cluster that did not go as wished. */
export interface ISaid {
  severity: 'warning' | 'error';
  text: string;
}

/** Keeps the list of clusters, and changes them. */
export class ComputeModel {
  /**
   * @param client - calls the server
   * @param now - the time in milliseconds, for tests
   */
  constructor(
    readonly client: IComputeClient,
    private readonly _now: () => number = Date.now
  ) {
    this._waiting = new Waiting(client, cluster => this._hear(cluster));
    this._poll = new Poll({
      auto: false,
      name: '@perijove/lab:compute',
      factory: () => this.refresh(),
      frequency: { interval: POLL_MILLISECONDS, backoff: true, max: LONGEST_WAIT_MILLISECONDS },
      standby: () => (this._watchers.size === 0 ? true : 'when-hidden')
    });
  }

  /** Emitted after any change of what the getters say. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when what is left of the user's limits may have changed: they hold more or less, or have asked for it. */
  get spent(): ISignal<this, void> {
    return this._spent;
  }

  /** The last list; null before the first. */
  get view(): IClustersView | null {
    return this._view;
  }

  /** Why the list could not be had the last time; empty when it could. */
  get error(): string {
    return this._error;
  }

  /** When the list was last heard, in milliseconds. */
  get heardAt(): number {
    return this._heardAt;
  }

  /** Those that are not over, newest first. */
  get open(): ICluster[] {
    return (this._view?.items ?? []).filter(cluster => !isOver(cluster));
  }

  /** Those that are over, the last one first. */
  get ended(): ICluster[] {
    const end = ({ ended, created }: ICluster) => Date.parse(ended ?? created);
    return (this._view?.items ?? []).filter(isOver).sort((one, other) => end(other) - end(one));
  }

  /** Those that were asked for, and of which their gateways have not said anything yet; newest first. */
  get requested(): INewCluster[] {
    const isListed = ({ gateway, title }: INewCluster, known: ReadonlySet<string>) =>
      this.open.some(each => each.gateway === gateway && each.title === title && !known.has(keyOf(each)));
    return [...this._requested].flatMap(([asked, known]) => (isListed(asked, known) ? [] : [asked])).reverse();
  }

  /** What this user runs anywhere; null while that is not known. */
  get leases(): readonly ILease[] | null {
    return this._leases;
  }

  /** The cluster, as last heard. */
  find(id: IClusterId): ICluster | undefined {
    return this._view?.items.find(cluster => keyOf(cluster) === keyOf(id));
  }

  /** Whether a change of a cluster is under way. */
  isBusy(id: IClusterId): boolean {
    return this._busy.has(keyOf(id));
  }

  /** What was said to the last change of a cluster, if it did not go as wished. */
  said(id: IClusterId): ISaid | undefined {
    const text = this.find(id)?.said;
    return this._said.get(keyOf(id)) ?? (text ? { severity: 'warning', text } : undefined);
  }

  /** Whether somebody looks: nothing is asked while nobody does. */
  watch(who: object, looks: boolean): void {
    const before = this._watchers.size;
    if (looks) {
      this._watchers.add(who);
    } else {
      this._watchers.delete(who);
    }
    if (looks && before === 0) {
      document.addEventListener('visibilitychange', this._onVisibility);
      void this._poll.refresh();
    } else if (before > 0 && this._watchers.size === 0) {
      document.removeEventListener('visibilitychange', this._onVisibility);
      this._follow();
    }
  }

  /** Asks for everything again, now. */
  again(): void {
    this._leasesAt = -Infinity;
    if (this._watchers.size > 0) {
      void this._poll.refresh();
    } else {
      void this.refresh().catch(() => undefined);
    }
  }

  /** Asks for the list. Rejects when it cannot be had, so that the caller waits longer before it asks again. */
  async refresh(): Promise<void> {
    const question = ++this._question;
    void this._askLeases();
    try {
      const view = await this.client.clusters();
      if (question === this._question) {
        this._error = '';
        this._heardAt = this._now();
        this._set(merge(this._view, view));
      }
    } catch (error) {
      if (question === this._question) {
        this._error = sentenceOf(error);
        this._changed.emit();
      }
      throw error;
    }
  }

  /** Starts a cluster. Rejects with the sentence of a refusal. */
  async create(asked: INewCluster): Promise<ICluster> {
    this._requested.set(asked, new Set(this.open.map(keyOf)));
    this._changed.emit();
    try {
      const { cluster, said } = await this.client.create(asked);
      this._question += 1;
      if (said) {
        this._said.set(keyOf(cluster), { severity: 'warning', text: said });
      }
      this._requested.delete(asked);
      this._hear(cluster);
      return cluster;
    } finally {
      this._requested.delete(asked);
      this._changedByUser();
    }
  }

  /** Gives a cluster so many workers; never rejects, nor do the next ones: see {@link said}. */
  scale(id: IClusterId, workers: number): Promise<boolean> {
    return this._change(id, () => this.client.scale(id, workers));
  }

  /** Lets a cluster choose how many workers it has. */
  adapt(id: IClusterId, minimum: number, maximum: number): Promise<boolean> {
    return this._change(id, () => this.client.adapt(id, minimum, maximum));
  }

  /** Does not stop a cluster for being idle for a while. */
  keep(id: IClusterId, minutes = KEEP_MINUTES): Promise<boolean> {
    return this._change(id, () => this.client.keepCluster(id, minutes));
  }

  /** Stops a cluster. */
  stop(id: IClusterId): Promise<boolean> {
    return this._change(id, () => this.client.stop(id));
  }

  /** Stops all clusters; those that are not stopped say why. Rejects with the sentence of a refusal. */
  async stopAll(): Promise<void> {
    try {
      const { stopped, failed = [] } = await this.client.stopAll();
      stopped.forEach(id => this._markStopping(id));
      for (const { gateway, name, reason } of failed) {
        if (name !== null) {
          this._said.set(keyOf({ gateway, name }), { severity: 'error', text: reason });
        }
      }
      if (failed.length > 0) {
        throw new Error(failed.map(({ reason }) => reason).join(' '));
      }
    } finally {
      this._changedByUser();
    }
  }

  /** Asks no more. */
  dispose(): void {
    document.removeEventListener('visibilitychange', this._onVisibility);
    this._watchers.clear();
    this._follow();
    this._poll.dispose();
    Signal.clearData(this);
  }

  /** One change of one cluster; whether it went through. A second one waits for nobody: it is not done. */
  private async _change(id: IClusterId, call: () => Promise<IClusterAnswer>): Promise<boolean> {
    const key = keyOf(id);
    if (this._busy.has(key)) {
      return false;
    }
    this._busy.add(key);
    this._said.delete(key);
    this._changed.emit();
    try {
      const { cluster, said } = await call();
      // a list that is on its way knows nothing of this
      this._question += 1;
      if (said) {
        this._said.set(key, { severity: 'warning', text: said });
      }
      this._busy.delete(key);
      this._hear(cluster);
      return true;
    } catch (error) {
      this._said.set(key, { severity: 'error', text: sentenceOf(error) });
      return false;
    } finally {
      this._busy.delete(key);
      this._changedByUser();
    }
  }

  /** Takes one cluster as it is now. */
  private _hear(cluster: ICluster): void {
    const empty: IClustersView = { items: [], gateways: [], currency: null };
    this._set(withCluster(this._view ?? empty, cluster));
  }

  private _set(view: IClustersView): void {
    const hasChanged = this._view !== null && heldIn(this._view) !== heldIn(view);
    this._view = view;
    this._follow();
    this._changed.emit();
    if (hasChanged) {
      this._spent.emit();
    }
  }

  /** Waits for what starts while somebody looks. */
  private _follow(): void {
    this._waiting.follow(this._watchers.size > 0 ? this.open.filter(isPending) : []);
  }

  private _markStopping(id: IClusterId): void {
    const cluster = this.find(id);
    if (this._view && cluster && !isOver(cluster)) {
      this._set(withCluster(this._view, { ...cluster, state: 'stopping', idle_stop_at: null }));
    }
  }

  private _changedByUser(): void {
    this._changed.emit();
    this._spent.emit();
    this.again();
  }

  private async _askLeases(): Promise<void> {
    if (this._now() - this._leasesAt >= LEASES_MILLISECONDS) {
      this._leasesAt = this._now();
      const leases = await this.client.leases().catch(() => null);
      if (leases || this._leases) {
        this._leases = leases;
        this._changed.emit();
      }
    }
  }

  private readonly _onVisibility = (): void => {
    if (document.visibilityState === 'visible') {
      void this._poll.refresh();
    }
  };

  private readonly _changed = new Signal<this, void>(this);
  private readonly _spent = new Signal<this, void>(this);
  private readonly _waiting: Waiting;
  private readonly _poll: Poll;
  private readonly _watchers = new Set<object>();
  private readonly _busy = new Set<string>();
  /** With the clusters that were there before: a list may show the new one before its gateway answers. */
  private readonly _requested = new Map<INewCluster, ReadonlySet<string>>();
  private readonly _said = new Map<string, ISaid>();
  private _view: IClustersView | null = null;
  private _error = '';
  private _heardAt = -Infinity;
  private _question = 0;
  private _leases: readonly ILease[] | null = null;
  private _leasesAt = -Infinity;
}

/** All that the clusters hold of the user's limits, to tell whether it has changed. */
function heldIn({ items }: IClustersView): string {
  return items
    .filter(cluster => !isOver(cluster))
    .map(cluster => `${keyOf(cluster)} ${cluster.workers_granted}`)
    .join();
}
