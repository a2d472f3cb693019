/** Whether a dataset can be read, and if not, why. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { formatTime } from '../format';
import type { IDataset } from '../wire';

/** Whether this user may read the dataset. */
export function isReadable(dataset: IDataset): boolean {
  return dataset.readable !== false;
}

/** Why a dataset cannot be read, and what to do, in a sentence or two; empty for one that can. */
export function whyClosed(dataset: IDataset, trans: TranslationBundle): string {
  if (isReadable(dataset)) {
    return '';
  }
  const until = formatTime(dataset.embargo_until ?? null);
  return until
    ? trans.__('This dataset is under embargo until %1: its description can be read, its files cannot.', until)
    : trans.__(
        'You may see that this dataset is there and not read it. Ask the people who run this platform for access.'
      );
}

/** A word for the row of a dataset that cannot be read; empty for one that can. */
export function closedWord(dataset: IDataset, trans: TranslationBundle): string {
  if (isReadable(dataset)) {
    return '';
  }
  return dataset.embargo_until ? trans.__('embargo') : trans.__('no access');
}
