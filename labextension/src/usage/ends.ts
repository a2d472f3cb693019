/** When and why this session will be stopped. Pure: the time is passed in. */

import type { ILease } from '../wire';

/** Why a session is stopped: its time is over, nothing runs in it, a limit is used up, or a group is lost. */
export type EndReason = 'time' | 'idle' | 'quota' | 'allowed';

/** One moment at which a session is stopped, in milliseconds. */
export interface IEnd {
  reason: EndReason;
  at: number;
}

/** All ends of a session, the nearest first. */
export function endsOf(lease: ILease | null): IEnd[] {
  const given: [EndReason, string | null | undefined][] = [
    ['quota', lease?.quota_stop_at],
    ['allowed', lease?.allowed_stop_at],
    ['time', lease?.ends_at],
    ['idle', lease?.idle_stop_at]
  ];
  return given
    .map(([reason, at]) => ({ reason, at: Date.parse(at ?? '') }))
    .filter(({ at }) => !Number.isNaN(at))
    .sort((one, other) => one.at - other.at);
}

/** The nearest end if it comes within `noticeMinutes`, or null. */
export function endSoon(lease: ILease | null, now: number, noticeMinutes: number): IEnd | null {
  const [nearest] = endsOf(lease);
  return nearest && nearest.at - now <= noticeMinutes * 60_000 ? nearest : null;
}

/** Whether the owner can put off an end of this session. */
export function canKeep(lease: ILease): boolean {
  return Boolean(lease.idle_stop_at) || (Boolean(lease.ends_at) && (lease.keeps_left ?? 0) > 0);
}
