/** Hears from the server what has happened to clusters, so that it is told whatever the Lab shows. */

import { clusterOf } from './clusters';
import type { ComputeModel } from './model';
import type { ClusterNews } from './news';
import type { ClusterState } from './wire';

/** Asks for the list when it has changed; what is to be said of that, the news say. */
export class PushedClusters {
  /**
   * @param model - the clusters
   * @param news - told how a cluster was before
   */
  constructor(
    private readonly _model: ComputeModel,
    private readonly _news: ClusterNews
  ) {}

  /** Takes an event about a cluster; events come from whoever may post to this server. */
  onEvent(event: Readonly<Record<string, unknown>>): void {
    const id = clusterOf(event);
    if (id && typeof event.at === 'string') {
      // one that was not there before had not failed yet
      this._news.wasBefore(id, (event.previous as ClusterState | null) ?? 'starting');
      this.onToldAt(event.at);
    }
  }

  /** Takes the time of the last change, for those that were missed while the network or the page was away. */
  onToldAt(at: string | null | undefined): void {
    const time = Date.parse(at ?? '');
    if (time > this._toldAt) {
      this._toldAt = time;
      void this._ask();
    }
  }

  /** One question at a time; what changes meanwhile is asked for in another. */
  private async _ask(): Promise<void> {
    if (this._isAsking) {
      return;
    }
    this._isAsking = true;
    while (this._askedFor < this._toldAt) {
      const toldAt = this._toldAt;
      try {
        await this._model.refresh();
        this._askedFor = toldAt;
      } catch {
        // the next time is another try
        this._toldAt = this._askedFor;
      }
    }
    this._isAsking = false;
  }

  private _toldAt = -Infinity;
  private _askedFor = -Infinity;
  private _isAsking = false;
}
