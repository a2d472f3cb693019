/** Waits for clusters that start, without asking again and again. */

import type { IComputeClient } from './client';
import { isPending, keyOf } from './clusters';
import type { ICluster } from './wire';

/** So many are waited for at once: a browser has few connections to one server. */
const WAITS_MAX = 2;

/** The least time between two questions about one cluster, in milliseconds: an answer may come at once. */
export const WAIT_PAUSE_MILLISECONDS = 1000;

/** The questions that are open. */
export class Waiting {
  /**
   * @param client - calls the server
   * @param onHeard - told of each answer
   */
  constructor(client: IComputeClient, onHeard: (cluster: ICluster) => void) {
    this._client = client;
    this._onHeard = onHeard;
  }

  /** Waits for these clusters, and for no other any more. */
  follow(clusters: readonly ICluster[]): void {
    const keys = new Set(clusters.map(keyOf));
    for (const [key, call] of this._calls) {
      if (!keys.has(key)) {
        call.abort();
        this._calls.delete(key);
      }
    }
    for (const cluster of clusters) {
      if (this._calls.size < WAITS_MAX && !this._calls.has(keyOf(cluster))) {
        void this._wait(cluster);
      }
    }
  }

  private async _wait(cluster: ICluster): Promise<void> {
    const key = keyOf(cluster);
    const call = new AbortController();
    this._calls.set(key, call);
    let heard: ICluster | null = cluster;
    while (heard && isPending(heard) && !call.signal.aborted) {
      // one that cannot be heard is asked for with the list
      heard = await this._client.cluster(cluster, true, call.signal).catch(() => null);
      if (heard && isPending(heard)) {
        await pause(WAIT_PAUSE_MILLISECONDS);
      }
    }
    if (!call.signal.aborted) {
      this._calls.delete(key);
      if (heard) {
        this._onHeard(heard);
      }
    }
  }

  private readonly _client: IComputeClient;
  private readonly _onHeard: (cluster: ICluster) => void;
  private readonly _calls = new Map<string, AbortController>();
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}
