import { layOut } from './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COPIES_DELAY_MILLISECONDS, CopiesModel } from '../data/copies';
import { areaText, boxOf, spanText } from '../data/extent';
import { formatWord } from '../data/formats';
import type { IPanelActions } from '../data/panel';
import Panel from '../data/panel-view';
import { DatasetBrowserModel, SEARCH_DELAY_MILLISECONDS } from '../data/model';
import { dataset, entries, FakeServer, NO_STORES, settle } from './support';

const HOSTILE = '<img src=x onerror=alert(1)>';
const HOSTILE_PATTERN = HOSTILE.replace(/[()]/g, '\\$&');
const SCRIPT = 'javascript:alert(1)';

const trans = nullTranslator.load('perijove');

let server: FakeServer;
let browser: DatasetBrowserModel;
const actions = {
  ...{
    preview: vi.fn(),
    insertCode: vi.fn(),
    copyPath: vi.fn(),
    showFolder: vi.fn(),
    newCluster: vi.fn(),
    cite: vi.fn(),
    goTo: vi.fn()
  }
} satisfies IPanelActions;

beforeEach(() => {
  vi.useFakeTimers();
  layOut();
  Object.values(actions).forEach(action => action.mockReset());
  actions.goTo.mockResolvedValue(true);
  server = new FakeServer();
  browser = new DatasetBrowserModel(server);
});

afterEach(() => {
  cleanup();
  browser.dispose();
  vi.useRealTimers();
});

async function show(): Promise<void> {
  const models = { browser, copies: new CopiesModel(server), stores: NO_STORES, currency: () => 'EUR' };
  render(<Panel models={models} actions={actions} trans={trans} />);
  await act(async () => {
    browser.start();
    await settle();
  });
}

async function click(name: string | RegExp): Promise<void> {
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name }));
    await settle();
  });
}

describe('the facets of a search', () => {
  beforeEach(() => {
    const many = Array.from({ length: 9 }, (_, index) => ({
      value: `k${index}`,
      title: `Word ${index}`,
      count: 9 - index
    }));
    server.foundHeld = { facets: { format: [{ value: 'FITS', title: 'FITS', count: 2 }], keyword: many, licence: [] } };
  });

  it('are folded away at first, with counts, and narrow the search', async () => {
    await show();
    expect(screen.queryByRole('group', { name: 'Format' })).toBeNull();
    await click('Narrow down');
    await click('FITS 2');
    expect(server.asked.at(-1)).toBe('datasets?q=&format=FITS');
    expect(screen.getByRole('button', { name: 'FITS 2' }).getAttribute('aria-pressed')).toBe('true');
    await click('No longer only FITS');
    expect(server.asked.at(-1)).toBe('datasets?q=');
  });

  it('show their first values, all on demand, and none that has no value', async () => {
    await show();
    await click('Narrow down');
    expect(screen.queryByRole('button', { name: 'Word 8 1' })).toBeNull();
    await click('All 9');
    expect(screen.getByRole('button', { name: 'Word 8 1' })).toBeTruthy();
    expect(screen.queryByRole('group', { name: 'Licence' })).toBeNull();
  });

  it('are not there with an older server', async () => {
    server.foundHeld = {};
    await show();
    expect(screen.queryByRole('button', { name: 'Narrow down' })).toBeNull();
    expect(screen.queryByRole('region', { name: 'Sources' })).toBeNull();
  });
});

describe('the sources', () => {
  it('tell how each of them is and why', async () => {
    vi.setSystemTime('2026-01-01T12:00:00Z');
    const kind = { kind: 'stac', error: null, harvested: '2026-01-01T09:40:00Z', datasets: 3 };
    server.foundHeld = {
      catalogues: [
        { ...kind, id: 'platform', title: 'This platform', state: 'live' },
        { ...kind, id: 'cds', title: 'Climate', state: 'dead', error: 'It did not answer within 10 s.' }
      ]
    };
    await show();
    const folded = screen.getByRole('list', { name: 'Sources that are not live' });
    expect(folded.textContent).toBe('Climate: not answering, 3 datasets, heard 2 h 20 min ago');
    await click(/Sources 1 live, 1 not answering/);
    expect(screen.getAllByRole('listitem').map(item => item.textContent)).toEqual([
      'This platformlive, 3 datasets',
      'Climatenot answering, 3 datasets, heard 2 h 20 min agoIt did not answer within 10 s.'
    ]);
  });
});

describe('a dataset in detail', () => {
  it('is told in full: citation, page, time, area, and which copy is used', async () => {
    const one = dataset('demo', 'Demo images');
    server.datasetsHeld = [
      {
        ...one,
        ...{ formats: ['NetCDF'], citation: '@misc{demo}', landing_url: 'javascript:alert(1)', catalogue: 'esa' },
        extent: { spatial: { bbox: [[-10, 35, 30, 60]] }, temporal: { interval: [['2006-04-01T00:00:00Z', null]] } }
      }
    ];
    const copy = { site: 'esac', region: 'eu', latency_ms: 12.4, megabytes_second: 80.2 };
    server.copiesHeld = [
      { ...copy, id: 'b', rank: 1, state: 'down', latency_ms: null, megabytes_second: null, egress_cost: 0.5 },
      { ...copy, id: 'a', rank: 0, state: 'used', egress_cost: 0 },
      { ...copy, id: 'c', rank: 2, site: null, state: 'ready', megabytes_second: null, egress_cost: null }
    ];
    await show();
    act(() => browser.activate('dataset:demo'));
    const details = screen.getByRole('region', { name: 'Details' });
    expect(details.textContent).toContain('10° W to 30° E, 35° N to 60° N');
    expect(details.textContent).toContain('since 2006-04-01');
    expect(details.querySelectorAll('a')).toHaveLength(1);
    await act(() => vi.advanceTimersByTimeAsync(COPIES_DELAY_MILLISECONDS));
    expect([...details.querySelectorAll('ol li')].map(item => item.textContent)).toEqual([
      'esac (eu): in use, 12 ms, 80 MB/s, free to read from here',
      'esac (eu): not answering, reading all of it costs 0.50 EUR',
      'eu: ready, 12 ms, cost not known'
    ]);
    await click('Copy BibTeX');
    expect(actions.cite).toHaveBeenCalledWith('@misc{demo}');
  });

  it('that is under embargo says until when, and offers nothing that would fail', async () => {
    server.datasetsHeld = [
      { ...dataset('demo', 'Demo images'), readable: false, embargo_until: '2031-05-01T00:00:00Z' }
    ];
    await show();
    act(() => browser.activate('dataset:demo'));
    expect(screen.getByText(/under embargo until .*2031/)).toBeTruthy();
    expect(screen.getByRole('treeitem', { name: /Demo images.*embargo/ })).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Insert code' })).toBeNull();
  });

  it('asks for the copies of the last row only, when somebody walks over rows', async () => {
    await show();
    act(() => browser.activate('dataset:demo'));
    act(() => browser.activate('dataset:big'));
    await act(() => vi.advanceTimersByTimeAsync(COPIES_DELAY_MILLISECONDS));
    expect(server.asked.filter(call => call.startsWith('copies'))).toEqual(['copies big']);
  });

  it('offers a preview of files and of directories that are a Zarr', async () => {
    server.folders['demo/'] = entries('', ['cube.zarr/', 'sub/', 'a.fits']);
    await show();
    await act(async () => {
      browser.expand('dataset:demo');
      await settle();
    });
    const offered = (key: string) => {
      act(() => browser.activate(key));
      return screen.queryByRole('button', { name: 'Preview' }) !== null;
    };
    expect(offered('directory:demo/cube.zarr')).toBe(true);
    expect(offered('file:demo/a.fits')).toBe(true);
    expect(offered('directory:demo/sub')).toBe(false);
    act(() => browser.activate('directory:demo/cube.zarr'));
    await click('Preview');
    expect(actions.preview).toHaveBeenCalledWith({ dataset: 'demo', path: 'cube.zarr', type: 'directory' });
  });

  it('can be kept at hand and found again', async () => {
    await show();
    act(() => browser.activate('dataset:demo'));
    await click('Favourite');
    await click('Favourites and recent');
    fireEvent.click(within(screen.getByRole('group', { name: 'Favourites' })).getByRole('button'));
    expect(actions.goTo).toHaveBeenCalledWith({ dataset: 'demo', path: '', type: 'dataset', title: 'Demo images' });
  });
});

describe('formats', () => {
  it('are told in words, also when the catalogue lists media types', () => {
    const cloud = 'image/tiff; application=geotiff; profile=cloud-optimized';
    const words = ['application/fits', cloud, 'image/tiff', 'NetCDF-4', 'x/y'].map(formatWord);
    expect(words).toEqual(['FITS', 'cloud-optimized GeoTIFF', 'TIFF', 'NetCDF-4', 'x/y']);
  });

  it('tell of a box on the sky what it is', () => {
    expect(areaText([269, 65, 270.5, 66], 'sky', trans)).toBe('RA 269° to 270.5°, Dec 65° to 66°');
    expect(areaText([269, 65, 270, 66], undefined, trans)).toBe('91° W to 90° W, 65° N to 66° N');
  });
});

describe('where and when', () => {
  it('is taken from STAC with or without heights, and not from nonsense', () => {
    const spatial = (bbox: number[]) => boxOf({ spatial: { bbox: [bbox] } });
    expect(spatial([1, 2, 0, 3, 4, 100])).toEqual([1, 2, 3, 4]);
    expect(spatial([1, 2, 3])).toBeNull();
    expect(spatial([1, -100, 3, 4])).toBeNull();
    expect(boxOf(null)).toBeNull();
  });

  it('is told by days', () => {
    const span = (first: string | null, last: string | null) =>
      spanText({ temporal: { interval: [[first, last]] } }, trans);
    expect(span('2020-01-01T00:00:00Z', '2020-12-31T23:59:59Z')).toBe('2020-01-01 to 2020-12-31');
    expect(span(null, '2020-12-31T00:00:00Z')).toBe('until 2020-12-31');
    expect(span(null, null)).toBe('');
    expect(span('nonsense', null)).toBe('');
  });
});

/** Security, item 8. */
it('item 08: shows titles, keys and fields of catalogues as text', async () => {
  const one = {
    ...dataset('demo', HOSTILE),
    description: HOSTILE,
    licence: HOSTILE,
    attribution: HOSTILE,
    doi: HOSTILE
  };
  const told = {
    keywords: [HOSTILE],
    formats: [HOSTILE],
    providers: [{ name: HOSTILE, roles: [HOSTILE], url: SCRIPT }]
  };
  server.datasetsHeld = [{ ...one, ...told, citation: HOSTILE, landing_url: SCRIPT, catalogue: 'bad' }];
  const kind = { id: 'bad', title: HOSTILE, kind: HOSTILE, harvested: HOSTILE, datasets: 1 };
  server.foundHeld = {
    facets: { keyword: [{ value: HOSTILE, title: HOSTILE, count: 1 }] },
    catalogues: [{ ...kind, state: 'dead', error: HOSTILE }]
  };
  server.folders['demo/'] = entries('', [`${HOSTILE}.fits`]);
  await show();
  await act(async () => {
    browser.expand('dataset:demo');
    await settle();
  });
  expect(screen.getByRole('treeitem', { name: new RegExp(`^${HOSTILE_PATTERN}.fits`) })).toBeTruthy();
  const hasText = (region: Element) => expect(region.textContent).toContain(HOSTILE);
  for (const key of ['dataset:demo', `file:demo/${HOSTILE}.fits`]) {
    act(() => browser.activate(key));
    hasText(screen.getByRole('region', { name: 'Details' }));
    await click('Favourite');
  }
  await click('Favourites and recent');
  hasText(screen.getByRole('group', { name: 'Favourites' }));
  await click('Narrow down');
  await click(`${HOSTILE} 1`);
  hasText(screen.getByRole('group', { name: 'Keyword' }));
  await click(/^Sources/);
  expect(screen.getAllByText(HOSTILE).length).toBeGreaterThan(5);
  act(() => browser.filterFolder('dataset:demo', `${HOSTILE}no`));
  await act(() => vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS));
  hasText(screen.getByRole('tree'));
  server.trouble = HOSTILE;
  await click('Refresh datasets');
  hasText(screen.getByRole('tree'));
  expect(document.querySelectorAll('img, script, iframe, [onerror]')).toHaveLength(0);
  expect([...document.querySelectorAll('a')].filter(link => link.href.startsWith('javascript:'))).toEqual([]);
});
