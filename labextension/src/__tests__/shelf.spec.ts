import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { afterEach, describe, expect, it } from 'vitest';
import { FAVOURITES_ID } from '../data/favourites';
import { IShelfItem, Shelf } from '../data/shelf';
import { NO_STORES } from './support';

const item = (path: string): IShelfItem => ({ dataset: 'demo', path, type: 'file', title: 'Demo images' });
const paths = (items: readonly IShelfItem[]) => items.map(({ path }) => path);

/** What a Lab keeps of one workspace. */
class FakeState {
  held: Record<string, ReadonlyPartialJSONObject> = {};

  fetch(id: string): Promise<ReadonlyPartialJSONValue | undefined> {
    return Promise.resolve(this.held[id]);
  }

  save(id: string, value: ReadonlyPartialJSONValue): Promise<void> {
    this.held[id] = JSON.parse(JSON.stringify(value)) as ReadonlyPartialJSONObject;
    return Promise.resolve();
  }
}

/** What a server keeps of a user. */
class FakeSettings {
  raw = '{}';
  isDown = false;

  fetch(id: string): Promise<unknown> {
    return this._answer(() => ({ id, raw: this.raw, settings: JSON.parse(this.raw) as unknown }));
  }

  save(id: string, raw: string): Promise<unknown> {
    return this._answer(() => {
      expect(id).toBe(FAVOURITES_ID);
      this.raw = raw;
    });
  }

  get held(): Record<string, unknown> {
    return JSON.parse(this.raw) as Record<string, unknown>;
  }

  /** Another window may come in between. */
  private async _answer<T>(answer: () => T): Promise<T> {
    await new Promise(resolve => setTimeout(resolve, 1));
    if (this.isDown) {
      throw new Error('no');
    }
    return answer();
  }
}

const open: Shelf[] = [];

/** A window with what it has read. */
async function windowOn(state: FakeState | null, settings: FakeSettings | null): Promise<Shelf> {
  const shelf = new Shelf({ state, settings });
  open.push(shelf);
  await shelf.load();
  return shelf;
}

afterEach(() => {
  open.splice(0).forEach(shelf => shelf.dispose());
});

describe('what was looked at', () => {
  it('is there again in the same workspace, and in no other', async () => {
    const [state, settings] = [new FakeState(), new FakeSettings()];
    const first = await windowOn(state, settings);
    await first.visit(item('a'));
    await first.visit(item('b'));
    await first.visit(item('a'));
    expect(paths((await windowOn(state, settings)).recent)).toEqual(['a', 'b']);
    expect((await windowOn(new FakeState(), settings)).recent).toEqual([]);
  });

  it('is the last dozen', async () => {
    const shelf = new Shelf(NO_STORES);
    for (let index = 0; index < 20; index += 1) {
      await shelf.visit(item(`f${index}`));
    }
    expect(shelf.recent).toHaveLength(12);
    expect(shelf.recent[0].path).toBe('f19');
  });

  it('leaves out what is not understood, and does without a store that fails', async () => {
    const state = new FakeState();
    const recent = [item('a'), { dataset: 1 }, 'x', null];
    await state.save('perijove:shelf', { recent, favourites: 'none' } as unknown as ReadonlyPartialJSONValue);
    expect((await windowOn(state, new FakeSettings())).recent).toEqual([item('a')]);
    const no = () => Promise.reject(new Error('no'));
    const broken = new Shelf({ state: { fetch: no, save: no }, settings: { fetch: no, save: no } });
    await broken.visit(item('a'));
    expect(broken.recent).toHaveLength(1);
    broken.dispose();
  });
});

describe('favourites', () => {
  it('follow the user into other workspaces, until they are none any more', async () => {
    const settings = new FakeSettings();
    await (await windowOn(new FakeState(), settings)).toggleFavourite(item('b'));
    const next = await windowOn(new FakeState(), settings);
    expect(next.isFavourite(item('b'))).toBe(true);
    await next.toggleFavourite(item('b'));
    expect(next.favourites).toEqual([]);
    expect(settings.held).toEqual({ favourites: [] });
  });

  it('of two windows are kept, also when both are marked at the same time', async () => {
    const settings = new FakeSettings();
    const [one, other] = [await windowOn(null, settings), await windowOn(null, settings)];
    await one.toggleFavourite(item('a'));
    // it may not have heard of the first yet
    await other.toggleFavourite(item('b'));
    expect(settings.held).toEqual({ favourites: [item('a'), item('b')] });
    await Promise.all([one.toggleFavourite(item('c')), one.toggleFavourite(item('d'))]);
    await one.toggleFavourite(item('a'));
    expect(settings.held).toEqual({ favourites: [item('b'), item('c'), item('d')] });
  });

  it('of another window are shown without a reload', async () => {
    const settings = new FakeSettings();
    const [one, other] = [await windowOn(null, settings), await windowOn(null, settings)];
    const told = new Promise<void>(resolve => void other.changed.connect(() => resolve()));
    await one.toggleFavourite(item('a'));
    await told;
    expect(paths(other.favourites)).toEqual(['a']);
  });

  it('are shown at once, and kept with the next one when they could not be', async () => {
    const settings = new FakeSettings();
    settings.raw = JSON.stringify({ favourites: [item('kept')] });
    const shelf = await windowOn(null, settings);
    settings.isDown = true;
    const saving = shelf.toggleFavourite(item('a'));
    await shelf.load();
    expect(shelf.isFavourite(item('a'))).toBe(true);
    await saving;
    expect(settings.held).toEqual({ favourites: [item('kept')] });
    settings.isDown = false;
    await shelf.toggleFavourite(item('b'));
    expect(settings.held).toEqual({ favourites: [item('kept'), item('a'), item('b')] });
  });

  it('leave what is not understood where it is', async () => {
    const settings = new FakeSettings();
    const later = { dataset: 'demo', path: 'a', type: 'band', title: 'Of a later version' };
    settings.raw = JSON.stringify({ favourites: [later, null, item('a')], colour: 'blue' });
    const shelf = await windowOn(null, settings);
    expect(paths(shelf.favourites)).toEqual(['a']);
    await shelf.toggleFavourite(item('b'));
    await shelf.toggleFavourite(item('a'));
    expect(settings.held).toEqual({ favourites: [later, null, item('b')], colour: 'blue' });
  });

  it('that a workspace holds from before become those of the user, once', async () => {
    const [state, settings] = [new FakeState(), new FakeSettings()];
    const held = { recent: [item('r')], favourites: [item('a'), item('b')] };
    await state.save('perijove:shelf', held as unknown as ReadonlyPartialJSONValue);
    settings.isDown = true;
    await (await windowOn(state, settings)).visit(item('r'));
    expect(state.held['perijove:shelf']).toEqual(held);
    settings.isDown = false;
    settings.raw = JSON.stringify({ favourites: [item('b'), item('c')] });
    const shelf = await windowOn(state, settings);
    expect(paths(shelf.favourites)).toEqual(['a', 'b', 'c']);
    expect(state.held['perijove:shelf']).toEqual({ recent: [item('r')] });
    await shelf.toggleFavourite(item('a'));
    expect(paths((await windowOn(state, settings)).favourites)).toEqual(['b', 'c']);
  });
});
