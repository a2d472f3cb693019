/** Limits in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { formatNumber, formatTime } from '../format';
import type { IQuota, IUsage } from '../wire';

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

/** Whom and when a limit counts for: `per user, this month, anew on 1 Dec`. */
export function scopeText(quota: IQuota, trans: TranslationBundle): string {
  const per = trans.__('per %1', quota.per);
  if (quota.window === null) {
    return trans.__('%1, at the same time', per);
  }
  const end = formatTime(quota.window_end);
  return end
    ? trans.__('%1 and %2, starts again %3', per, quota.window, end)
    : trans.__('%1 and %2', per, quota.window);
}

/** Where this session runs; empty when nobody knows. */
export function siteText(usage: IUsage, trans: TranslationBundle): string {
  return usage.lease?.site ? trans.__('This session runs at %1.', usage.lease.site) : '';
}

/** All limits and the site, one a line. */
export function hintText(usage: IUsage, trans: TranslationBundle): string {
  const lines = usage.quotas.map(quota => `${quota.name}: ${shortText(quota, trans)}`);
  return [...lines, siteText(usage, trans)].filter(Boolean).join('\n');
}
