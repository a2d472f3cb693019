import { ISettingRegistry, SettingRegistry } from '@jupyterlab/settingregistry';
import { StateDB } from '@jupyterlab/statedb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import schema from '../../schema/data.json';
import { FavouriteSettings } from '../data/favourites';
import { IShelfItem, Shelf } from '../data/shelf';

const PLUGIN = '@perijove/lab:data';

const item = (path: string): IShelfItem => ({ dataset: 'demo', path, type: 'file', title: 'Demo images' });

/** The settings file of a user, as a server gives it to each page. */
class FakeServerSettings {
  raw = '{}';

  /** JupyterLab's registry in a page of its own. */
  page(): ISettingRegistry {
    const fetch = (id: string) =>
      Promise.resolve({ id, raw: this.raw, schema, version: '1', data: { composite: {}, user: {} } });
    const save = (_id: string, raw: string) => {
      this.raw = raw;
      return Promise.resolve();
    };
    const list = () => Promise.resolve({ ids: [], values: [] });
    return new SettingRegistry({ connector: { fetch, save, list } as never });
  }
}

async function shelfIn(registry: ISettingRegistry): Promise<Shelf> {
  const shelf = new Shelf(new StateDB(), new FavouriteSettings(registry, PLUGIN));
  await shelf.load();
  return shelf;
}

describe('favourites in the settings of JupyterLab', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('are there in another page, and take no other setting away', async () => {
    const server = new FakeServerSettings();
    const [one, two] = [server.page(), server.page()];
    const [shelf, other] = [await shelfIn(one), await shelfIn(two)];
    await two.set(PLUGIN, 'pageSize', 50);
    await shelf.toggleFavourite(item('a'));
    await other.toggleFavourite(item('b'));
    const third = server.page();
    expect((await shelfIn(third)).favourites).toEqual([item('a'), item('b')]);
    expect((await third.get(PLUGIN, 'pageSize')).composite).toBe(50);
  });

  it('leave the other settings alone when one of them is damaged, and the console says which', async () => {
    const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const server = new FakeServerSettings();
    server.raw = JSON.stringify({ pageSize: 50, favourites: [item('a'), 'damaged', { dataset: 7 }] });
    const page = server.page();
    expect((await shelfIn(page)).favourites).toEqual([item('a')]);
    expect((await page.get(PLUGIN, 'pageSize')).composite).toBe(50);
    expect(told.mock.lastCall?.[0]).toContain('which is ignored: ["damaged",{"dataset":7}]');
  });

  it('are none, and the panel goes on, when the settings are refused as a whole', async () => {
    const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const server = new FakeServerSettings();
    server.raw = JSON.stringify({ favourites: 'none' });
    expect((await shelfIn(server.page())).favourites).toEqual([]);
    expect(told.mock.lastCall?.[0]).toContain('cannot be read from the settings');
  });
});
