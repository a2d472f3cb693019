/**
 * Which copy of a dataset is used, and what others would cost. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import type { IPerijoveClient } from '../client';
import type { ICopy, IDataset, IReplica } from '../wire';

/** Walking over rows asks for the copies of none but the last. */
export const COPIES_DELAY_MILLISECONDS = 400;

/** So long an answer is believed: which copy is used may change. */
const KEPT_MILLISECONDS = 30_000;

interface IKept {
  copies: ICopy[];
  until: number;
}

/** What is known of the copies of the dataset that the user is at. */
export class CopiesModel {
  constructor(client: IPerijoveClient) {
    this._client = client;
  }

  /** Emitted when more is known. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The copies of a dataset, nearest first: as they were measured, or else as the catalogue lists them. */
  of(dataset: IDataset): ICopy[] {
    const copies = this._kept.get(dataset.id)?.copies ?? dataset.replicas.map(copyOf);
    return [...copies].sort((one, other) => one.rank - other.rank);
  }

  /** Asks for the copies of a dataset, soon; an earlier wish is given up. */
  want(id: string): void {
    window.clearTimeout(this._timer);
    this._call?.abort();
    if ((this._kept.get(id)?.until ?? 0) < Date.now()) {
      this._timer = window.setTimeout(() => void this._ask(id), COPIES_DELAY_MILLISECONDS);
    }
  }

  /** Asks no more. */
  stop(): void {
    window.clearTimeout(this._timer);
    this._call?.abort();
  }

  private async _ask(id: string): Promise<void> {
    const call = new AbortController();
    this._call = call;
    try {
      const { items } = await this._client.copies(id, call.signal);
      if (!call.signal.aborted) {
        this._kept.set(id, { copies: items, until: Date.now() + KEPT_MILLISECONDS });
        this._changed.emit();
      }
    } catch {
      // what the catalogue lists stays: an older server knows no more
    }
  }

  private readonly _client: IPerijoveClient;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _kept = new Map<string, IKept>();
  private _call: AbortController | null = null;
  private _timer = 0;
}

function copyOf({ id, site, region, rank, egress_cost }: IReplica): ICopy {
  return { id, site, region, rank, egress_cost, state: 'unknown', latency_ms: null, megabytes_second: null };
}
