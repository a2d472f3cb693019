/** Where in the data a command works: its arguments, or what is selected in the Data panel. */

import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { ILocation } from './data/model';

/** The place a command was given, or else the selected one, or null. */
export function locationOf(args: ReadonlyPartialJSONObject, selected: ILocation | null): ILocation | null {
  if (typeof args.dataset !== 'string' || args.dataset === '') {
    return selected;
  }
  const path = typeof args.path === 'string' ? args.path : '';
  const type = path === '' ? 'dataset' : args.type === 'directory' ? 'directory' : 'file';
  return { dataset: args.dataset, path, type };
}

/** Whether a preview is offered: of every file, and of the directories that are a Zarr by their name. */
export function isPreviewable({ type, path }: Pick<ILocation, 'type' | 'path'>): boolean {
  return type === 'file' || (type === 'directory' && /\.zarr$/i.test(path));
}
