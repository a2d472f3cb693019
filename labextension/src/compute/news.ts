/** Tells of what happens to clusters: to a screen reader at once, and as a notification where something is to be done. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';
import type { INotificationOptions, INotifier } from '../notices/notifier';
import { isIdleSoon, isOver, keyOf, silentGateway } from './clusters';
import { ComputeModel, KEEP_MINUTES } from './model';
import { idleText, overText, titleOf } from './text';
import type { ClusterState, ICluster, IClusterId } from './wire';

/** How long before it is stopped for being idle a cluster is told of. */
export const IDLE_NOTICE_MILLISECONDS = 5 * 60_000;

/** What a browser tab knows beyond a reload, so that it shows nothing again and misses nothing. */
export interface IShown {
  /** What was shown. */
  keys: readonly string[];
  /** How each cluster was. */
  states: Readonly<Record<string, ClusterState>>;
}

/** Where a browser tab keeps it. */
export interface IShownStore {
  load(): IShown;
  save(shown: IShown): void;
}

/** What a user can do about a notification. */
export interface INewsActions {
  keep: (id: IClusterId) => void;
  /** Shows the Compute panel. */
  show: () => void;
}

type Kind = 'capped' | 'idle' | 'failed' | 'said';

/** Follows the list of clusters. */
export class ClusterNews {
  /**
   * @param model - the clusters
   * @param notifier - shows messages
   * @param actions - what can be done about them
   * @param store - what was shown before
   * @param now - the time in milliseconds, for tests
   */
  constructor(
    private readonly _model: ComputeModel,
    private readonly _notifier: INotifier,
    private readonly _actions: INewsActions,
    private readonly _store: IShownStore,
    private readonly _trans: TranslationBundle,
    private readonly _now: () => number = Date.now
  ) {
    const { keys, states } = _store.load();
    this._keys = new Set(keys);
    this._states = new Map(Object.entries(states));
    _model.changed.connect(() => this._look());
    this._look();
  }

  /** Emitted when {@link announcement} changes. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What a screen reader says next. */
  get announcement(): string {
    return this._announcement;
  }

  /** How a cluster was before it is heard for the first time: what has happened since is news, too. */
  wasBefore(id: IClusterId, state: ClusterState): void {
    if (!this._states.has(keyOf(id))) {
      this._states.set(keyOf(id), state);
    }
  }

  private _look(): void {
    const { view } = this._model;
    if (view === null || view === this._before) {
      return;
    }
    const said: string[] = [];
    for (const cluster of view.items) {
      const before = this._states.get(keyOf(cluster));
      this._states.set(keyOf(cluster), cluster.state);
      if (before !== undefined && before !== cluster.state) {
        said.push(this._changeOf(cluster));
      }
      // what is old says nothing new
      if (!silentGateway(view, cluster)) {
        this._notify(cluster, before !== undefined && before !== cluster.state);
      }
    }
    this._before = view;
    this._store.save({ keys: [...this._keys], states: Object.fromEntries(this._states) });
    const announcement = said.filter(Boolean).join(' ');
    if (announcement) {
      this._announcement = announcement;
      this._changed.emit();
    }
  }

  private _changeOf(cluster: ICluster): string {
    if (isOver(cluster)) {
      return overText(cluster, this._trans);
    }
    return cluster.state === 'running' ? this._trans.__('Cluster %1 is running.', titleOf(cluster)) : '';
  }

  private _notify(cluster: ICluster, hasChanged: boolean): void {
    const title = titleOf(cluster);
    const show = { label: this._trans.__('Show clusters'), callback: () => this._actions.show() };
    const capped = cluster.state === 'running' ? (cluster.capped ?? '') : '';
    this._tell(cluster, 'capped', capped !== '', kindOfText(capped), () => [
      this._trans.__('Cluster %1 has fewer workers than it wants: %2', title, capped),
      'warning',
      { actions: [show] }
    ]);
    this._tell(cluster, 'idle', isIdleSoon(cluster, this._now(), IDLE_NOTICE_MILLISECONDS), '', () => {
      const label = this._trans.__('Keep %1 minutes', KEEP_MINUTES);
      const keep = { label, displayType: 'accent' as const, callback: () => this._actions.keep(cluster) };
      const text = this._trans.__('Cluster %1: %2.', title, idleText(cluster, this._now(), this._trans));
      return [text, 'warning', { actions: [keep], autoClose: false }];
    });
    this._tell(cluster, 'said', Boolean(cluster.said), kindOfText(cluster.said ?? ''), () => [
      this._trans.__('Cluster %1: %2', title, cluster.said ?? ''),
      'warning',
      { actions: [show] }
    ]);
    // what failed before anybody looked is in the list of those that ended
    this._tell(cluster, 'failed', hasChanged && cluster.state === 'failed', '', () => [
      overText(cluster, this._trans),
      'error',
      { actions: [show], autoClose: false }
    ]);
  }

  /**
   * Shows one kind of message about one cluster once; what is true no longer is taken away, and is told again when it
   * is so again. `what` tells one message of a kind from another that takes its place.
   */
  private _tell(
    cluster: ICluster,
    kind: Kind,
    isSo: boolean,
    what: string,
    message: () => [string, 'warning' | 'error', INotificationOptions]
  ): void {
    const all = `${keyOf(cluster)} ${kind} `;
    const key = all + what;
    if (kind !== 'failed') {
      [...this._keys].filter(each => each.startsWith(all) && !(isSo && each === key)).forEach(each => this._drop(each));
    }
    if (isSo && !this._keys.has(key)) {
      this._keys.add(key);
      this._notices.set(key, this._notifier.emit(...message()));
    }
  }

  private _drop(key: string): void {
    const notice = this._notices.get(key);
    this._keys.delete(key);
    this._notices.delete(key);
    if (notice !== undefined) {
      this._notifier.dismiss(notice);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _keys: Set<string>;
  private readonly _states: Map<string, ClusterState>;
  private readonly _notices = new Map<string, string>();
  private _before: ComputeModel['view'] = null;
  private _announcement = '';
}

/** A text without its figures: those of one limit change all the time, and another limit has other words. */
function kindOfText(text: string): string {
  return text.replace(/(?<![\w-])\d[\d.,:]*(?![\w-])/g, '#');
}
