/** Limits and ends in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { formatCost, formatLength, formatNumber, formatTime } from '../format';
import type { ILease, IQuota, ITitles, IUsage } from '../wire';
import { endsOf, IEnd } from './ends';

/** One limit in few words, its state included: `1 of 2 sessions`, `Limit reached: 2 of 2 sessions`. */
export function shortText(quota: IQuota, trans: TranslationBundle): string {
  const text = amountText(quota, trans);
  switch (quota.state) {
    case 'exhausted':
      return trans.__('Limit reached: %1', text);
    case 'warning':
      return trans.__('Nearly full: %1', text);
    case 'ok':
      return text;
  }
}

/** How much is used of a limit: `1 of 2 sessions`. */
export function amountText(quota: IQuota, trans: TranslationBundle): string {
  return trans.__('%1 of %2 %3', formatNumber(quota.used), formatNumber(quota.limit), quota.unit);
}

/** Whom and when a limit counts for: `for group euclid, this month, starts again 1 Dec 2026, 00:00`. */
export function scopeText(quota: IQuota, titles: ITitles | undefined, trans: TranslationBundle): string {
  const scope = `${subjectText(quota, titles, trans)}, ${windowText(quota, trans)}`;
  const end = formatTime(quota.window_end);
  if (!end || quota.window === null) {
    return scope;
  }
  return quota.window === 'allocation'
    ? trans.__('%1, until %2', scope, end)
    : trans.__('%1, starts again %2', scope, end);
}

function subjectText({ subject = '', per }: IQuota, titles: ITitles | undefined, trans: TranslationBundle): string {
  const colon = subject.indexOf(':');
  const [kind, name] = colon < 0 ? [subject, ''] : [subject.slice(0, colon), subject.slice(colon + 1)];
  switch (kind) {
    case 'user':
      return trans.__('for you');
    case 'group':
      return trans.__('for group %1', name);
    case 'class':
      return trans.__('for class %1', name);
    case 'site':
      return trans.__('for all at site %1', titles?.sites[name] ?? name);
    case 'platform':
      return trans.__('for the whole platform');
    default:
      return trans.__('per %1', per);
  }
}

function windowText({ resource, window }: IQuota, trans: TranslationBundle): string {
  if (resource === 'home_gib') {
    return trans.__('in your home');
  }
  const rolling = /^(\d+)([hd])$/.exec(window ?? '');
  if (rolling) {
    const count = Number(rolling[1]);
    return rolling[2] === 'h'
      ? trans._n('in the last hour', 'in the last %1 hours', count)
      : trans._n('in the last day', 'in the last %1 days', count);
  }
  switch (window) {
    case null:
      return trans.__('at the same time');
    case 'day':
      return trans.__('today');
    case 'allocation':
      return trans.__('granted');
    default:
      return trans.__('this %1', window);
  }
}

/** What else is to be said of a limit, a sentence each. */
export function notesOf(quota: IQuota, trans: TranslationBundle): string[] {
  const [empty, notes] = [formatTime(quota.empty_at ?? null), [] as string[]];
  if ((quota.reserved ?? 0) > 0) {
    notes.push(trans.__('%1 of it is held for what runs now.', formatNumber(quota.reserved!)));
  }
  if (empty) {
    notes.push(trans.__('Used up %1 if what runs now goes on.', empty));
  }
  if (quota.on_exhaustion === 'stop') {
    notes.push(trans.__('When it is used up, sessions are stopped.'));
  }
  if (quota.override) {
    notes.push(trans.__('Changed: %1', quota.override));
  }
  return notes;
}

/** What people call a site; its name when nobody knows. */
export function siteTitle(site: string, { lease, titles }: Pick<IUsage, 'lease' | 'titles'>): string {
  const { candidates = [], rejected = [] } = lease?.explanation ?? {};
  // a place that the user may not use has no title but where placement has told of it
  return titles?.sites[site] ?? [...candidates, ...rejected].find(each => each.site === site)?.title ?? site;
}

/** Where this session runs; empty when nobody knows. */
export function siteText(usage: IUsage, trans: TranslationBundle): string {
  const site = usage.lease?.site;
  return site ? trans.__('This session runs at %1.', siteTitle(site, usage)) : '';
}

/** What this session costs: `0.12 EUR per hour, 0.50 EUR so far`. */
export function costText(lease: ILease, currency: string | null, trans: TranslationBundle): string {
  const soFar = trans.__('%1 so far', formatCost(lease.cost, currency ?? ''));
  return lease.cost_hour === undefined
    ? soFar
    : trans.__('%1 per hour, %2', formatCost(lease.cost_hour, currency ?? ''), soFar);
}

/** A near end in few words, for the status bar: `Ends in 8 min`. */
export function endShortText(end: IEnd, now: number, trans: TranslationBundle): string {
  const length = formatLength(end.at - now);
  switch (end.reason) {
    case 'time':
      return trans.__('Ends in %1', length);
    case 'idle':
      return trans.__('Idle: ends in %1', length);
    case 'quota':
      return trans.__('Limit used up: ends in %1', length);
    case 'allowed':
      return trans.__('Not allowed any more: ends in %1', length);
  }
}

/** One end in a sentence: when, in how long, and why. */
export function endText(end: IEnd, now: number, trans: TranslationBundle): string {
  const when = trans.__('%1 (in %2)', formatTime(new Date(end.at).toISOString()), formatLength(end.at - now));
  switch (end.reason) {
    case 'time':
      return trans.__('Ends %1: its time is over then.', when);
    case 'idle':
      return trans.__('Ends %1 unless something runs in it.', when);
    case 'quota':
      return trans.__('Ends %1: a limit is used up. This cannot be put off.', when);
    case 'allowed':
      return trans.__('Ends %1: you are no longer in the group that it needs. This cannot be put off.', when);
  }
}

/** How often the end of the time can still be put off; empty for a session without such an end. */
export function keepsText(lease: ILease, trans: TranslationBundle): string {
  if (!lease.ends_at) {
    return '';
  }
  const left = lease.keeps_left ?? 0;
  return left > 0
    ? trans._n('The end of its time can be put off once more.', 'The end of its time can be put off %1 times.', left)
    : trans.__('The end of its time cannot be put off any more.');
}

/** All limits, the site and the ends, one a line. */
export function hintText(usage: IUsage, now: number, trans: TranslationBundle): string {
  const lines = usage.quotas.map(quota => `${quota.name}: ${shortText(quota, trans)}`);
  const ends = endsOf(usage.lease).map(end => endText(end, now, trans));
  return [...lines, siteText(usage, trans), ...ends].filter(Boolean).join('\n');
}
