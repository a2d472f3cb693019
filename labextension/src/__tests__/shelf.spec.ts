import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { describe, expect, it } from 'vitest';
import { IShelfItem, IShelfStore, Shelf } from '../data/shelf';

const item = (path: string): IShelfItem => ({ dataset: 'demo', path, type: 'file', title: 'Demo images' });

/** What a Lab keeps for a user. */
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

describe('what is at hand', () => {
  it('is there again in the next Lab', async () => {
    const store = new FakeStore();
    const first = new Shelf(store);
    await first.visit(item('a'));
    await first.visit(item('b'));
    await first.visit(item('a'));
    await first.toggleFavourite(item('b'));
    const next = new Shelf(store);
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
