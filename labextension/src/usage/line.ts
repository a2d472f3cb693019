/** What the status bar says. Pure: the time is passed in. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { IQuota } from '../wire';
import type { UsageModel } from './model';
import { endShortText, hintText, shortText } from './text';

/** One line of the status bar; the words alone tell all, the icon helps to find them. */
export interface IStatusLine {
  icon: IQuota['state'] | 'end';
  text: string;
  /** All that the line leaves out. */
  hint: string;
}

/** The near end of this session, or else the tightest limit; null while the platform does not say. */
export function statusLine(model: UsageModel, now: number, trans: TranslationBundle): IStatusLine | null {
  const { usage, tightest } = model;
  if (usage === null) {
    return null;
  }
  const hint = hintText(usage, now, trans);
  const end = model.endSoon(now);
  if (end) {
    return { icon: 'end', text: endShortText(end, now, trans), hint };
  }
  return tightest
    ? { icon: tightest.state, text: shortText(tightest, trans), hint }
    : { icon: 'ok', text: trans.__('My limits'), hint };
}
