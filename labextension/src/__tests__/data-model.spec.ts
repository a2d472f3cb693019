import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DatasetBrowserModel, SEARCH_DELAY_MILLISECONDS } from '../data/model';
import { isNodeRow, ROOT } from '../data/rows';
import type { ICatalogue } from '../wire';
import { dataset, entries, FakeServer, settle } from './support';

let server: FakeServer;
let model: DatasetBrowserModel;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  server.folders = {
    'demo/': entries('', ['images/', 'README.txt']),
    'demo/images': entries('images/', ['a.fits', 'b.fits']),
    'big/': entries(
      '',
      Array.from({ length: 450 }, (_, index) => `obj-${index}`)
    )
  };
  model = new DatasetBrowserModel(server);
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

/** The tree in one line a row: depth, what it says, place of how many. */
function picture(): string[] {
  return model.rows.map(row => {
    const text = isNodeRow(row) ? row.label : `(${row.kind})`;
    return `${'-'.repeat(row.level - 1)}${text} ${row.position}/${row.setSize}`;
  });
}

async function open(key: string): Promise<void> {
  model.expand(key);
  await settle();
}

describe('the tree of datasets', () => {
  it('asks for nothing before it is started, and once only', async () => {
    expect(server.asked).toEqual([]);
    model.start();
    model.start();
    await settle();
    expect(server.asked).toEqual(['datasets?q=']);
    expect(picture()).toEqual(['Demo images 1/2', 'Big survey 2/2']);
    expect(model.datasetCount).toBe(2);
  });

  it('loads a folder when it is opened, and shows it again without asking', async () => {
    model.start();
    await settle();
    await open('dataset:demo');
    await open('directory:demo/images');
    const whole = [
      'Demo images 1/2',
      '-images 1/2',
      '--a.fits 1/2',
      '--b.fits 2/2',
      '-README.txt 2/2',
      'Big survey 2/2'
    ];
    expect(picture()).toEqual(whole);
    const asked = server.asked.length;
    model.collapse('dataset:demo');
    expect(picture()).toEqual(['Demo images 1/2', 'Big survey 2/2']);
    model.expand('dataset:demo');
    expect(picture()).toEqual(whole);
    expect(server.asked).toHaveLength(asked);
  });

  it('takes a large folder page by page and leaves its size open until the last', async () => {
    model.start();
    await settle();
    await open('dataset:big');
    expect(model.rows).toHaveLength(2 + 200 + 1);
    expect(picture().at(-1)).toBe('-(more) 201/-1');
    await model.loadPage('dataset:big');
    await model.loadPage('dataset:big');
    expect(server.asked.slice(-3)).toEqual(['tree big/@0', 'tree big/@200', 'tree big/@400']);
    expect(picture().at(-1)).toBe('-obj-449 450/450');
    await model.loadPage('dataset:big');
    expect(server.asked.slice(-1)).toEqual(['tree big/@400']);
  });

  it('does not ask for a page that is on its way already', async () => {
    model.start();
    await settle();
    await open('dataset:big');
    void model.loadPage('dataset:big');
    void model.loadPage('dataset:big');
    await settle();
    expect(server.asked.filter(call => call === 'tree big/@200')).toHaveLength(1);
  });

  it('tells why a page did not come, keeps what it has, and tries again', async () => {
    model.start();
    await settle();
    await open('dataset:big');
    server.trouble = 'The store did not answer.';
    await model.loadPage('dataset:big');
    expect(model.rows.at(-1)).toMatchObject({ kind: 'failed', message: 'The store did not answer.' });
    expect(model.rows).toHaveLength(2 + 200 + 1);
    server.trouble = null;
    await model.loadPage('dataset:big');
    expect(picture().at(-1)).toBe('-(more) 401/-1');
  });

  it('gives up the page of a folder that is closed', async () => {
    model.start();
    await settle();
    model.expand('dataset:demo');
    model.collapse('dataset:demo');
    expect(server.signals.at(-1)?.aborted).toBe(true);
    await settle();
    expect(picture()).toEqual(['Demo images 1/2', 'Big survey 2/2']);
    await open('dataset:demo');
    expect(picture()).toHaveLength(4);
  });

  it('says of an empty folder that it is empty', async () => {
    model.start();
    await settle();
    server.folders['demo/'] = [];
    await open('dataset:demo');
    expect(picture()[1]).toBe('-(empty) 1/1');
  });

  it('keeps an object apart from a prefix of the same name', async () => {
    server.folders['demo/'] = entries('', ['a/', 'a']);
    model.start();
    await settle();
    await open('dataset:demo');
    expect(new Set(model.rows.map(row => row.key)).size).toBe(model.rows.length);
  });
});

describe('search', () => {
  it('waits for a pause in the typing and asks once', async () => {
    model.start();
    await settle();
    model.search('b');
    vi.advanceTimersByTime(SEARCH_DELAY_MILLISECONDS / 2);
    model.search('big');
    vi.advanceTimersByTime(SEARCH_DELAY_MILLISECONDS);
    await settle();
    expect(server.asked).toEqual(['datasets?q=', 'datasets?q=big']);
    expect(picture()).toEqual(['Big survey 1/1']);
  });

  it('gives up the search before, whose answer is not shown', async () => {
    model.search('demo');
    vi.advanceTimersByTime(SEARCH_DELAY_MILLISECONDS);
    model.search('big');
    vi.advanceTimersByTime(SEARCH_DELAY_MILLISECONDS);
    await settle();
    expect(server.signals[0].aborted).toBe(true);
    expect(picture()).toEqual(['Big survey 1/1']);
  });
});

describe('where the user is', () => {
  it('is told as dataset, path and type', async () => {
    model.start();
    await settle();
    await open('dataset:demo');
    expect(model.location).toBeNull();
    model.activate('dataset:demo');
    expect(model.location).toEqual({ dataset: 'demo', path: '', type: 'dataset' });
    model.activate('directory:demo/images');
    expect(model.location).toEqual({ dataset: 'demo', path: 'images', type: 'directory' });
  });

  it('survives a refresh, and so do open folders', async () => {
    model.start();
    await settle();
    await open('dataset:demo');
    model.activate('file:demo/README.txt');
    const before = picture();
    model.refresh();
    await settle();
    expect(picture()).toEqual(before);
    expect(model.location?.path).toBe('README.txt');
  });

  it('moves from "loading" to what was loaded', async () => {
    model.start();
    await settle();
    model.expand('dataset:demo');
    model.activate(model.rows[1].key);
    expect(model.activeRow?.kind).toBe('loading');
    await settle();
    expect(model.location?.path).toBe('images');
  });
});

describe('what narrows a search', () => {
  const facets = { format: [{ value: 'FITS', title: 'FITS', count: 2 }] };

  it('goes with every page, and what is empty does not', async () => {
    model.narrow({ format: ['FITS'], since: '2020-01-01' });
    await settle();
    expect(server.asked.at(-1)).toBe('datasets?q=&format=FITS&since=2020-01-01');
    model.narrow({ since: '' });
    await settle();
    expect(server.asked.at(-1)).toBe('datasets?q=&format=FITS');
    expect(model.found.isNarrow).toBe(true);
    model.clearSearch();
    await settle();
    expect(server.asked.at(-1)).toBe('datasets?q=');
  });

  it('is counted over all that is found', async () => {
    server.foundHeld = { facets };
    model.start();
    await settle();
    expect(model.found.facets).toEqual(facets);
  });
});

describe('sources that have not answered', () => {
  const source = (state: ICatalogue['state'], datasets: number): ICatalogue => ({
    ...{ id: 'esa', title: 'ESA', kind: 'stac', error: null, harvested: null },
    state,
    datasets
  });

  beforeEach(async () => {
    server.foundHeld = { catalogues: [source('pending', 0)] };
    model.start();
    await settle();
    await open('dataset:demo');
  });

  it('are asked again while somebody looks, and what they bring is listed beside what is open', async () => {
    model.setVisible(true);
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.asked.filter(call => call === 'datasets?q=')).toHaveLength(2);
    server.foundHeld = { catalogues: [source('live', 1)] };
    server.datasetsHeld = [...server.datasetsHeld, dataset('esa.one', 'One of ESA')];
    await vi.advanceTimersByTimeAsync(3000);
    expect(picture()).toEqual([
      'Demo images 1/3',
      '-images 1/2',
      '-README.txt 2/2',
      'Big survey 2/3',
      'One of ESA 3/3'
    ]);
    const asked = server.asked.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(server.asked).toHaveLength(asked);
  });

  it('take no row away that was listed, whichever page had brought it, and what they bring is found page by page', async () => {
    server.datasetsHeld = Array.from({ length: 6 }, (_, index) => dataset(`d${index}`, `Old ${index}`));
    server.datasetsAtOnce = 2;
    model.refresh();
    await settle();
    await model.loadPage(ROOT);
    await model.loadPage(ROOT);
    model.activate('dataset:d4');
    server.foundHeld = { catalogues: [source('live', 2)] };
    const [one, two] = [dataset('esa.one', 'One of ESA'), dataset('esa.two', 'Two of ESA')];
    server.datasetsHeld = [one, ...server.datasetsHeld.slice(0, 4), two, ...server.datasetsHeld.slice(4)];
    model.setVisible(true);
    await vi.advanceTimersByTimeAsync(2000);
    const titles = () => model.rows.filter(isNodeRow).map(row => row.label);
    expect(titles()).toEqual(['One of ESA', 'Old 0', 'Old 1', 'Old 2', 'Old 3', 'Old 4', 'Old 5']);
    expect(model.location?.dataset).toBe('d4');
    await model.loadPage(ROOT);
    await model.loadPage(ROOT);
    expect(titles()).toContain('Two of ESA');
    await model.loadPage(ROOT);
    expect(picture().at(-1)).toBe('Two of ESA 8/8');
  });

  it('are heard while a further page is on its way', async () => {
    server.datasetsAtOnce = 1;
    model.refresh();
    await settle();
    model.setVisible(true);
    server.foundHeld = { catalogues: [source('live', 1)] };
    server.datasetsHeld = [dataset('esa.one', 'One of ESA'), ...server.datasetsHeld];
    server.delay = new Promise(() => undefined);
    void model.loadPage(ROOT);
    server.delay = Promise.resolve();
    await vi.advanceTimersByTimeAsync(2000);
    expect(picture()[0]).toBe('One of ESA 1/-1');
    expect(model.rows.at(-1)?.kind).toBe('more');
  });

  it('are left alone while nobody looks, and less and less often bothered', async () => {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.asked.filter(call => call === 'datasets?q=')).toHaveLength(1);
    model.setVisible(true);
    await vi.advanceTimersByTimeAsync(60_000);
    model.setVisible(false);
    const asked = server.asked.length;
    expect(asked).toBeLessThan(12);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toHaveLength(asked);
  });
});

describe('the names in a folder', () => {
  it('are filtered at the store once the typing has paused, and all are there again without a filter', async () => {
    model.start();
    await settle();
    await open('dataset:big');
    model.activate('file:big/obj-3');
    expect(model.openFolder?.key).toBe('dataset:big');
    model.filterFolder('dataset:big', 'obj-4');
    model.filterFolder('dataset:big', 'obj-44');
    expect(model.openFolder?.key).toBe('dataset:big');
    await vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS);
    expect(server.asked.slice(-1)).toEqual(['tree big/?obj-44@0']);
    expect(picture().slice(2)).toEqual([
      '-obj-44 1/11',
      ...Array.from({ length: 10 }, (_, index) => `-obj-44${index} ${index + 2}/11`)
    ]);
    model.filterFolder('dataset:big', '');
    await vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS);
    expect(server.asked.slice(-1)).toEqual(['tree big/@0']);
  });

  it('wait for a pause in the typing, each folder for its own', async () => {
    model.start();
    await settle();
    await open('dataset:demo');
    await open('dataset:big');
    model.filterFolder('dataset:demo', 'R');
    vi.advanceTimersByTime(SEARCH_DELAY_MILLISECONDS / 2);
    model.filterFolder('dataset:big', 'obj-44');
    await vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS);
    expect(server.asked.slice(-2)).toEqual(['tree demo/?R@0', 'tree big/?obj-44@0']);
    expect(picture().slice(0, 2)).toEqual(['Demo images 1/2', '-README.txt 1/1']);
  });

  it('are not asked for when all has been asked for again meanwhile', async () => {
    model.start();
    await settle();
    await open('dataset:demo');
    model.filterFolder('dataset:demo', 'R');
    model.refresh();
    await vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS);
    expect(server.asked.filter(call => call.startsWith('tree'))).toEqual(['tree demo/@0', 'tree demo/?R@0']);
  });

  it('are those of the folder that the user is at or in', async () => {
    model.start();
    await settle();
    expect(model.openFolder).toBeNull();
    model.activate('dataset:demo');
    expect(model.openFolder).toBeNull();
    await open('dataset:demo');
    model.activate('file:demo/README.txt');
    expect(model.openFolder?.key).toBe('dataset:demo');
    model.activate('dataset:big');
    expect(model.openFolder).toBeNull();
  });
});

describe('a place that is gone to', () => {
  it('is shown at once, also in a dataset that no page has brought, and once only when its page comes', async () => {
    server.datasetsHidden = [dataset('deep', 'Deep field')];
    server.folders['deep/'] = entries('', ['a/', 'b/']);
    server.folders['deep/b'] = entries('b/', ['c.fits', 'd.fits']);
    await model.goTo({ dataset: 'deep', path: 'b/d.fits', type: 'file' });
    expect(model.location).toEqual({ dataset: 'deep', path: 'b/d.fits', type: 'file' });
    await settle();
    const shown = ['Deep field', '-b', '--d.fits', '--c.fits', '-a', 'Demo images', 'Big survey'];
    expect(picture().map(row => row.replace(/ \S+$/, ''))).toEqual(shown);
    expect(model.location?.path).toBe('b/d.fits');
  });

  it('is told to be gone when its dataset is', async () => {
    await expect(model.goTo({ dataset: 'gone', path: '', type: 'dataset' })).rejects.toThrow('no dataset gone');
  });
});

describe('a dataset that cannot be read', () => {
  it('says so without asking for its files', async () => {
    server.datasetsHeld = [{ ...dataset('demo', 'Demo images'), readable: false }];
    model.start();
    await settle();
    const asked = server.asked.length;
    await open('dataset:demo');
    expect(picture()).toEqual(['Demo images 1/1', '-(closed) 1/1']);
    expect(server.asked).toHaveLength(asked);
  });
});
