/**
 * What the user holds of which limit. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { IPerijoveClient } from '../client';
import type { IQuota, IUsage } from '../wire';

/** The least time between two questions to the server. */
export const LEAST_INTERVAL_MILLISECONDS = 60_000;

/** Keeps the last answer to `GET perijove/usage`. */
export class UsageModel {
  /**
   * @param client - calls the server
   * @param now - the time in milliseconds, for tests
   */
  constructor(
    client: IPerijoveClient,
    private readonly _now: () => number = Date.now
  ) {
    this._client = client;
  }

  /** Emitted when `usage` changes. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The last answer; null before the first and when the platform does not say. */
  get usage(): IUsage | null {
    return this._usage;
  }

  /** The limit to show when there is room for one, or null. */
  get tightest(): IQuota | null {
    return tightestOf(this._usage?.quotas ?? []);
  }

  /**
   * Asks the server, unless it was asked within the last minute.
   *
   * Rejects when the server cannot tell, so that the caller waits longer before it asks again; the last answer is
   * forgotten then, since a stale limit misleads.
   */
  async refresh(): Promise<void> {
    if (this._now() - this._askedAt < LEAST_INTERVAL_MILLISECONDS) {
      return;
    }
    this._askedAt = this._now();
    try {
      this._set(await this._client.usage());
    } catch (error) {
      this._set(null);
      throw error;
    }
  }

  private _set(usage: IUsage | null): void {
    if (usage !== this._usage) {
      this._usage = usage;
      this._changed.emit();
    }
  }

  private readonly _client: IPerijoveClient;
  private readonly _changed = new Signal<this, void>(this);
  private _usage: IUsage | null = null;
  private _askedAt = -Infinity;
}

/** The limit on what is held now of which the greatest share is used; one over a window if there is no other. */
export function tightestOf(quotas: readonly IQuota[]): IQuota | null {
  const concurrent = quotas.filter(quota => quota.window === null);
  const candidates = concurrent.length > 0 ? concurrent : quotas;
  return candidates.reduce<IQuota | null>(
    (tightest, quota) => (tightest === null || shareOf(quota) > shareOf(tightest) ? quota : tightest),
    null
  );
}

/** The used share of a limit, 0 to 1 and beyond; a limit of nothing is used up. */
export function shareOf(quota: IQuota): number {
  return quota.limit > 0 ? quota.used / quota.limit : 1;
}
