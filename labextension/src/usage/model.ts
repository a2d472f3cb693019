/**
 * What the user holds of which limit, and how long this session goes on. No DOM in here.
 */

import { ISignal, Signal } from '@lumino/signaling';
import { IPerijoveClient } from '../client';
import type { ILease, IQuota, IUsage } from '../wire';
import { endSoon, IEnd } from './ends';

/** The least time between two questions to the server. */
export const LEAST_INTERVAL_MILLISECONDS = 60_000;

/** How long before its end a session tells of it, unless the user's settings say otherwise. */
export const NOTICE_MINUTES = 10;

/** By how many minutes a session is kept on. */
export const KEEP_MINUTES = 30;

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

  /** Emitted when `usage` or `noticeMinutes` changes. */
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

  /** How long before its end a session tells of it, in minutes. */
  get noticeMinutes(): number {
    return this._noticeMinutes;
  }

  set noticeMinutes(minutes: number) {
    if (minutes !== this._noticeMinutes) {
      this._noticeMinutes = minutes;
      this._changed.emit();
    }
  }

  /** The end of this session if it is near at `now`, or null. */
  endSoon(now: number): IEnd | null {
    return endSoon(this._usage?.lease ?? null, now, this._noticeMinutes);
  }

  /**
   * Asks the server, unless it was asked within the last minute; `force` asks in any case.
   *
   * Rejects when the server cannot tell, so that the caller waits longer before it asks again; the last answer is
   * forgotten then, since a stale limit misleads.
   */
  async refresh(force = false): Promise<void> {
    if (!force && this._now() - this._askedAt < LEAST_INTERVAL_MILLISECONDS) {
      return;
    }
    this._askedAt = this._now();
    const question = ++this._question;
    try {
      this._hear(question, await this._client.usage());
    } catch (error) {
      this._hear(question, null);
      throw error;
    }
  }

  /**
   * Puts off the end of this session; its lease as it then is. Rejects with the sentence of a refusal.
   *
   * Who presses twice has it once: each time may be one of few.
   */
  keep(minutes: number): Promise<ILease> {
    this._keeping ??= this._keep(minutes).finally(() => (this._keeping = null));
    return this._keeping;
  }

  private async _keep(minutes: number): Promise<ILease> {
    const lease = await this._client.keep(minutes);
    // an answer that is still on its way knows nothing of this
    this._question += 1;
    if (this._usage) {
      this._set({ ...this._usage, lease });
    }
    return lease;
  }

  private _hear(question: number, usage: IUsage | null): void {
    if (question === this._question) {
      this._set(usage);
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
  private _noticeMinutes = NOTICE_MINUTES;
  private _keeping: Promise<ILease> | null = null;
  private _askedAt = -Infinity;
  private _question = 0;
}

const SEVERITY = { ok: 0, warning: 1, exhausted: 2 };

/**
 * The limit in the worst state; among those in the same state one on what is held now before one over a window, and
 * then the one of which the greatest share is used.
 */
export function tightestOf(quotas: readonly IQuota[]): IQuota | null {
  const rank = (quota: IQuota) => [SEVERITY[quota.state], quota.window === null ? 1 : 0, shareOf(quota)];
  const isTighter = (one: number[], other: number[]) => {
    const differs = one.findIndex((value, index) => value !== other[index]);
    return differs >= 0 && one[differs] > other[differs];
  };
  return quotas.reduce<IQuota | null>(
    (tightest, quota) => (tightest === null || isTighter(rank(quota), rank(tightest)) ? quota : tightest),
    null
  );
}

/** The used share of a limit, 0 to 1 and beyond; a limit of nothing is used up. */
export function shareOf(quota: IQuota): number {
  return quota.limit > 0 ? quota.used / quota.limit : 1;
}

/** The share of a limit that running sessions hold for what they will use next. */
export function reservedShareOf(quota: IQuota): number {
  return quota.limit > 0 ? Math.min(quota.reserved ?? 0, quota.used) / quota.limit : 0;
}
