/** How many workers, as typed: a number, or between how many a cluster chooses by itself. Pure. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { ICluster, Size } from './wire';

/** What the fields hold; those that do not count now are kept for when they do again. */
export interface ISizeTyped {
  /** Whether the cluster chooses, between `minimum` and `maximum`. */
  adapts: boolean;
  workers: string;
  minimum: string;
  maximum: string;
}

/** What the fields mean, or what is wrong with them. */
export type SizeMeant = { size: Size; fault: '' } | { size: null; fault: string };

/** The fields as they are for a cluster. */
export function sizeTypedOf({ adaptive, workers_wanted: wanted }: ICluster): ISizeTyped {
  return {
    adapts: adaptive !== null,
    workers: String(adaptive?.maximum ?? wanted),
    minimum: String(adaptive?.minimum ?? 0),
    maximum: String(adaptive?.maximum ?? Math.max(wanted, 1))
  };
}

/** What is meant by the fields; `most` is how many workers a cluster may have, null when nobody knows. */
export function sizeMeant(typed: ISizeTyped, most: number | null, trans: TranslationBundle): SizeMeant {
  const wrong = (fault: string): SizeMeant => ({ size: null, fault });
  const { adapts, workers, minimum, maximum } = typed;
  const counts = adapts ? [minimum, maximum] : [workers];
  if (!counts.every(isCount)) {
    return wrong(adapts ? trans.__('These must be whole numbers.') : trans.__('This must be a whole number.'));
  }
  if (adapts && Number(minimum) > Number(maximum)) {
    return wrong(trans.__('The least must not be more than the most.'));
  }
  if (most !== null && Number(counts.at(-1)) > most) {
    return wrong(trans._n('A cluster has at most %1 worker here.', 'A cluster has at most %1 workers here.', most));
  }
  const size = adapts ? { minimum: Number(minimum), maximum: Number(maximum) } : { workers: Number(workers) };
  return { size, fault: '' };
}

/** Whether a whole number is typed. */
export function isCount(text: string): boolean {
  return /^\d+$/.test(text.trim());
}

/** The most workers that a cluster of this size has. */
export function mostOf(size: Size): number {
  return 'workers' in size ? size.workers : size.maximum;
}
