import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { asJson, IFavouriteStore } from '../data/favourites';
import { IShelfItem, IShelfStore, Shelf } from '../data/shelf';

const item = (path: string): IShelfItem => ({ dataset: 'demo', path, type: 'file', title: 'Demo images' });

/** What a Lab keeps for a workspace. */
class FakeStore implements IShelfStore {
  held: Record<string, ReadonlyPartialJSONValue> = {};

  fetch(id: string): Promise<ReadonlyPartialJSONValue | undefined> {
    return Promise.resolve(this.held[id]);
  }

  save(id: string, value: ReadonlyPartialJSONValue): Promise<void> {
    this.held[id] = JSON.parse(JSON.stringify(value)) as ReadonlyPartialJSONValue;
    return Promise.resolve();
  }
}

/** The settings of a user; each page knows of them what it has read last. */
class FakeSettings {
  kept: unknown;
  broken = false;

  /** As a page of its own has them. */
  page(): IFavouriteStore {
    const known = this.kept;
    return {
      known: () => this._answer(() => known),
      current: () => this._answer(() => this.kept),
      save: items => this._answer(() => void (this.kept = JSON.parse(JSON.stringify(items))))
    };
  }

  private async _answer<T>(what: () => T): Promise<T> {
    await Promise.resolve();
    if (this.broken) {
      throw new Error('no');
    }
    return what();
  }
}

const paths = (items: readonly IShelfItem[]) => items.map(({ path }) => path);

describe('what is at hand', () => {
  it('is there again in the next Lab', async () => {
    const [store, settings] = [new FakeStore(), new FakeSettings()];
    const first = new Shelf(store, settings.page());
    await first.visit(item('a'));
    await first.visit(item('b'));
    await first.visit(item('a'));
    await first.toggleFavourite(item('b'));
    const next = new Shelf(store, settings.page());
    await next.load();
    expect(next.recent.map(({ path }) => path)).toEqual(['a', 'b']);
    expect(next.isFavourite(item('b'))).toBe(true);
    await next.toggleFavourite(item('b'));
    expect(next.favourites).toEqual([]);
  });

  it('is the last dozen of what was looked at', async () => {
    const shelf = new Shelf(null);
    for (let index = 0; index < 20; index += 1) {
      await shelf.visit(item(`f${index}`));
    }
    expect(shelf.recent).toHaveLength(12);
    expect(shelf.recent[0].path).toBe('f19');
  });

  it('leaves out what is not understood, and does without a store that fails', async () => {
    const store = new FakeStore();
    const recent = [item('a'), { dataset: 1 }, 'x', null];
    await store.save('perijove:shelf', { recent, favourites: 'none' } as unknown as ReadonlyPartialJSONValue);
    const shelf = new Shelf(store);
    await shelf.load();
    expect(shelf.recent).toEqual([item('a')]);
    const broken = new Shelf({
      fetch: () => Promise.reject(new Error('no')),
      save: () => Promise.reject(new Error('no'))
    });
    await broken.visit(item('a'));
    expect(broken.recent).toHaveLength(1);
  });
});

describe('favourites', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('are those of the user in every workspace, and two pages do not take each other’s away', async () => {
    const settings = new FakeSettings();
    const [one, other] = [settings, settings].map(each => new Shelf(new FakeStore(), each.page()));
    await other.load();
    await one.toggleFavourite(item('a'));
    await other.toggleFavourite(item('b'));
    expect(paths(other.favourites)).toEqual(['a', 'b']);
    const third = new Shelf(new FakeStore(), settings.page());
    await third.load();
    expect(paths(third.favourites)).toEqual(['a', 'b']);
    await one.toggleFavourite(item('a'));
    expect(settings.kept).toEqual([item('b')]);
  });

  it('are shown before they are kept, and are right after presses in a row', async () => {
    const settings = new FakeSettings();
    const shelf = new Shelf(null, settings.page());
    await shelf.load();
    const presses = ['a', 'b', 'a', 'c'].map(path => shelf.toggleFavourite(item(path)));
    await Promise.resolve();
    expect(shelf.isFavourite(item('c'))).toBe(true);
    await Promise.all(presses);
    expect(settings.kept).toEqual([item('b'), item('c')]);
    expect(paths(shelf.favourites)).toEqual(['b', 'c']);
  });

  it('that a workspace has kept before are taken up once, and go from there', async () => {
    const [store, settings] = [new FakeStore(), new FakeSettings()];
    store.held['perijove:shelf'] = asJson({ recent: [item('r')], favourites: [item('a'), item('b')] });
    settings.kept = [item('b'), item('c')];
    const shelf = new Shelf(store, settings.page());
    await shelf.load();
    expect(settings.kept).toEqual([item('b'), item('c'), item('a')]);
    expect(store.held['perijove:shelf']).toEqual({ recent: [item('r')] });
    await shelf.toggleFavourite(item('a'));
    const next = new Shelf(store, settings.page());
    await next.load();
    expect(paths(next.favourites)).toEqual(['b', 'c']);
  });

  it('stay in the workspace, and at hand, while the settings cannot be written', async () => {
    const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const [store, settings] = [new FakeStore(), new FakeSettings()];
    store.held['perijove:shelf'] = asJson({ recent: [], favourites: [item('a')] });
    settings.broken = true;
    const shelf = new Shelf(store, settings.page());
    await shelf.visit(item('r'));
    expect(paths(shelf.favourites)).toEqual(['a']);
    expect(store.held['perijove:shelf']).toEqual({ recent: [item('r')], favourites: [item('a')] });
    expect(told.mock.lastCall?.[0]).toContain('could not be kept in the settings');
  });

  it.each([['none'], [{ a: 1 }], [[item('a'), { dataset: 1 }, 'x', null]]])(
    'that are not understood are ignored, and the console says so: %j',
    async kept => {
      const told = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
      const settings = new FakeSettings();
      settings.kept = kept;
      const shelf = new Shelf(null, settings.page());
      await shelf.load();
      expect(shelf.favourites).toEqual(Array.isArray(kept) ? [item('a')] : []);
      expect(told).toHaveBeenCalledOnce();
      expect(told.mock.lastCall?.[0]).toContain(
        '“favourites” of the Data panel has what is no place, which is ignored'
      );
    }
  );
});
