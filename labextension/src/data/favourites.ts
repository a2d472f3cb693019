/** Where favourites are kept, and which of what is kept there are places. No DOM in here. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import type { ILocation } from './nodes';
import { warn } from './warn';

/** A place, and the title of its dataset. */
export interface IShelfItem extends ILocation {
  title: string;
}

/** What is kept for a user in every workspace. */
export interface IFavouriteStore {
  /** What is kept, as this page knows it; rejects when it cannot be had. */
  known(): Promise<unknown>;
  /** What is kept by now: another page may have changed it. Rejects when it cannot be had. */
  current(): Promise<unknown>;
  /** Keeps these in the place of all; rejects when they are not kept. */
  save(items: readonly IShelfItem[]): Promise<void>;
}

const SETTING = 'favourites';

/** How much of what is not understood is told. */
const TOLD_CHARACTERS = 300;

/** The user's settings: they are shared by all workspaces, of which a second tab has one of its own. */
export class FavouriteSettings implements IFavouriteStore {
  /**
   * @param registry - JupyterLab's settings
   * @param plugin - the plugin whose setting `favourites` it is
   */
  constructor(registry: ISettingRegistry, plugin: string) {
    this._registry = registry;
    this._plugin = plugin;
  }

  async known(): Promise<unknown> {
    return (await this._registry.get(this._plugin, SETTING)).composite;
  }

  async current(): Promise<unknown> {
    const settings = await this._registry.reload(this._plugin);
    const kept = settings.composite[SETTING];
    settings.dispose();
    return kept;
  }

  async save(items: readonly IShelfItem[]): Promise<void> {
    // the registry checks what it is given by its schema, and changes it: it gets one of its own
    const value = items.map(item => ({ ...item }));
    await this._registry.set(this._plugin, SETTING, value);
  }

  private readonly _registry: ISettingRegistry;
  private readonly _plugin: string;
}

/** Whether two places are the same. */
export function isSame(one: ILocation, other: ILocation): boolean {
  return one.dataset === other.dataset && one.path === other.path && one.type === other.type;
}

/** Those that are what they should be: an older version, or a hand, may have written others. */
export function itemsOf(kept: unknown): IShelfItem[] {
  return Array.isArray(kept) ? (kept as unknown[]).filter(isItem) : [];
}

/** As {@link itemsOf}, of a setting: whoever wrote what is ignored is told of it, in the console. */
export function understood(setting: unknown): IShelfItem[] {
  const items = itemsOf(setting);
  const others = Array.isArray(setting) ? (setting as unknown[]).filter(each => !isItem(each)) : (setting ?? []);
  if (!Array.isArray(others) || others.length > 0) {
    warn(
      `the setting “${SETTING}” of the Data panel has what is no place, which is ignored: ` +
        `${JSON.stringify(others).slice(0, TOLD_CHARACTERS)}. Expected is a list of objects with the texts dataset, ` +
        'path, type (dataset, directory or file) and title. Take the others out in the Settings Editor.'
    );
  }
  return items;
}

function isItem(kept: unknown): kept is IShelfItem {
  const { dataset, path, type, title } = (kept ?? {}) as Record<string, unknown>;
  const texts = [dataset, path, title].every(text => typeof text === 'string');
  return texts && dataset !== '' && ['dataset', 'directory', 'file'].includes(type as string);
}

/** A value for JupyterLab's stores, which want plain JSON. */
export function asJson(value: object): ReadonlyPartialJSONValue {
  return value as unknown as ReadonlyPartialJSONValue;
}
