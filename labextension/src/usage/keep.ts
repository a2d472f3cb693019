/** "Keep 30 minutes": asks for it, and tells the user how that went. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { sentenceOf } from '../client';
import type { INotifier } from '../notices/notifier';
import { endsOf } from './ends';
import type { UsageModel } from './model';
import { endText } from './text';

/** Keeps this session on; never rejects. */
export async function keepSession(
  model: UsageModel,
  minutes: number,
  notifier: INotifier,
  trans: TranslationBundle
): Promise<void> {
  try {
    const [nearest] = endsOf(await model.keep(minutes));
    const until = nearest ? endText(nearest, Date.now(), trans) : '';
    notifier.emit(`${trans.__('This session is kept.')} ${until}`.trim(), 'success', { autoClose: 8000 });
  } catch (error) {
    notifier.emit(trans.__('This session is not kept: %1', sentenceOf(error)), 'error', { autoClose: false });
  }
}
