import { layOut } from './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CopiesModel } from '../data/copies';
import { DatasetBrowserModel, SEARCH_DELAY_MILLISECONDS } from '../data/model';
import type { IPanelActions } from '../data/panel';
import Panel from '../data/panel-view';
import AreaMap from '../map/areamap';
import { FakeServer, NO_STORES, settle } from './support';

const trans = nullTranslator.load('perijove');

let server: FakeServer;
let browser: DatasetBrowserModel;

beforeEach(async () => {
  vi.useFakeTimers();
  layOut();
  server = new FakeServer();
  const formats = ['FITS', 'HDF5'].map(value => ({ value, title: value, count: 1 }));
  server.foundHeld = { facets: { format: formats, licence: [{ value: 'CC0', title: 'CC0', count: 1 }] } };
  browser = new DatasetBrowserModel(server);
  const models = { browser, copies: new CopiesModel(server), stores: NO_STORES, currency: () => 'EUR' };
  render(<Panel models={models} actions={{} as IPanelActions} trans={trans} />);
  await act(async () => {
    browser.start();
    await settle();
  });
});

afterEach(() => {
  cleanup();
  browser.dispose();
  vi.useRealTimers();
});

async function click(name: string | RegExp): Promise<void> {
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name }));
    await settle();
  });
}

async function type(label: string, value: string): Promise<void> {
  await act(async () => {
    fireEvent.change(screen.getByLabelText(label), { target: { value } });
    await vi.advanceTimersByTimeAsync(SEARCH_DELAY_MILLISECONDS);
  });
}

const chips = () => screen.queryAllByRole('button', { name: /^No longer only/ }).map(chip => chip.title);
const asked = () => decodeURIComponent(server.asked.at(-1) ?? '');

describe('values of facets', () => {
  it('are alternatives within a facet and hold together across facets, each a chip that takes it away', async () => {
    await click('Narrow down');
    await click('FITS 1');
    await click('HDF5 1');
    await click('CC0 1');
    expect(asked()).toBe('datasets?q=&format=FITS,HDF5&licence=CC0');
    expect(chips()).toEqual(['FITS', 'HDF5', 'CC0']);
    await click('No longer only FITS');
    expect(asked()).toBe('datasets?q=&format=HDF5&licence=CC0');
    await click('CC0 1');
    expect(asked()).toBe('datasets?q=&format=HDF5');
    await click('FITS 1');
    await click('Clear all');
    expect(asked()).toBe('datasets?q=');
    expect(chips()).toEqual([]);
  });
});

describe('a chip that is taken away', () => {
  it('leaves the keyboard at the one beside it, the last at the words', async () => {
    await click('Narrow down');
    await click('FITS 1');
    await click('HDF5 1');
    await click('CC0 1');
    const left = async (name: string) => {
      await click(name);
      return document.activeElement?.getAttribute('aria-label');
    };
    expect(await left('No longer only FITS')).toBe('No longer only HDF5');
    expect(await left('No longer only CC0')).toBe('No longer only HDF5');
    expect(await left('No longer only HDF5')).toBe('Search datasets');
  });
});

describe('time', () => {
  beforeEach(() => click('Where and when'));

  it('is searched for once the typing has paused, as one chip', async () => {
    await type('from', '2020-01-01');
    await type('to', '2020-12-31');
    expect(asked()).toBe('datasets?q=&since=2020-01-01&until=2020-12-31');
    expect(chips()).toEqual(['2020-01-01 to 2020-12-31']);
    await click(/^No longer only 2020/);
    expect(asked()).toBe('datasets?q=');
  });

  it('is not searched for while a year is being typed, nor with an end before its beginning', async () => {
    const before = server.asked.length;
    await type('from', '0020-01-01');
    await type('from', '2020-01-01');
    await type('to', '2019-01-01');
    expect(server.asked).toHaveLength(before + 1);
    expect(asked()).toBe('datasets?q=&since=2020-01-01');
    expect(screen.getByLabelText('to').getAttribute('aria-invalid')).toBe('true');
  });
});

describe('what is typed', () => {
  beforeEach(() => click('Where and when'));

  it('is searched for when the other day is mended, and goes with what narrows the search', async () => {
    await type('from', '2020-01-01');
    await type('to', '2019-01-01');
    await type('from', '2018-01-01');
    expect(asked()).toBe('datasets?q=&since=2018-01-01&until=2019-01-01');
    expect(screen.getByLabelText('to').getAttribute('aria-invalid')).toBe('false');
    await type('to', '2017-01-01');
    await click(/^No longer only 2018/);
    expect(screen.getByLabelText('from')).toHaveProperty('value', '');
    expect(screen.getByLabelText('to')).toHaveProperty('value', '');
  });

  it('stays where the keyboard is when it is searched for', async () => {
    for (const [label, value] of [
      ['West', '-10'],
      ['South', '35'],
      ['East', '5'],
      ['North', '44']
    ]) {
      await type(label, value);
    }
    const field = screen.getByLabelText('North');
    field.focus();
    await act(async () => {
      fireEvent.submit(field);
      await settle();
    });
    expect(chips()).toHaveLength(1);
    expect(document.activeElement).toBe(field);
  });
});

describe('an area', () => {
  beforeEach(() => click('Where and when'));

  const sides = async (labels: string[], values: string[]) => {
    for (const [index, label] of labels.entries()) {
      await type(label, values[index]);
    }
    await click('Search in this area');
  };
  const earth = ['West', 'South', 'East', 'North'];

  it('is typed in degrees and shown as a chip', async () => {
    await sides(earth, ['-10', '35', '5', '44']);
    expect(asked()).toBe('datasets?q=&bbox=-10,35,5,44');
    expect(chips()).toEqual(['10° W to 5° E, 35° N to 44° N']);
    await click(/^No longer only 10/);
    expect(asked()).toBe('datasets?q=');
    expect(screen.getByLabelText('West')).toHaveProperty('value', '');
  });

  it('that is none is told in a sentence and not searched for', async () => {
    const before = server.asked.length;
    await sides(earth, ['-10', '50', '5', '44']);
    expect(screen.getByRole('alert').textContent).toContain('south below the north');
    await sides(earth, ['-10', '', '5', '44']);
    expect(screen.getByRole('alert').textContent).toContain('Four numbers');
    expect(server.asked).toHaveLength(before);
  });

  it('can be on the sky', async () => {
    await act(async () => {
      fireEvent.change(screen.getByLabelText('The area is'), { target: { value: 'sky' } });
      await settle();
    });
    await sides(['RA from', 'Dec from', 'RA to', 'Dec to'], ['269', '65', '271', '67']);
    expect(asked()).toBe('datasets?q=&bbox=269,65,271,67&frame=sky');
    expect(chips()).toEqual(['RA 269° to 271°, Dec 65° to 67°']);
    await click(/^No longer only RA/);
    expect(asked()).toBe('datasets?q=');
  });

  it('is drawn on the map, in whole degrees; a click draws nothing', () => {
    const onDraw = vi.fn();
    const { container } = render(<AreaMap box={null} label="Map" onDraw={onDraw} />);
    const map = container.querySelector('.pj-AreaMap')!;
    vi.spyOn(map, 'getBoundingClientRect').mockReturnValue({ left: 0, top: 0, width: 360, height: 180 } as DOMRect);
    const at = (kind: 'pointerDown' | 'pointerMove' | 'pointerUp', clientX: number, clientY: number) =>
      fireEvent(map, new MouseEvent(kind.toLowerCase(), { bubbles: true, button: 0, clientX, clientY }));
    at('pointerDown', 170, 46);
    at('pointerUp', 170, 46);
    expect(onDraw).not.toHaveBeenCalled();
    at('pointerDown', 170, 46);
    at('pointerMove', 180, 50);
    expect(container.querySelectorAll('.pj-WorldMap-box')).toHaveLength(1);
    at('pointerUp', 400, 55);
    expect(onDraw).toHaveBeenCalledWith([-10, 35, 180, 44]);
  });
});

describe('a search that finds nothing', () => {
  const empty = async () => {
    server.datasetsHeld = [];
    await click('Refresh datasets');
    return within(screen.getByRole('tree')).getByRole('treeitem').textContent;
  };

  it('says what to change: words, filters, or whom to ask', async () => {
    expect(await empty()).toContain('Ask the people who run this platform');
    await type('Search datasets', 'galaxy');
    expect(await empty()).toContain('No dataset matches “galaxy”. Try fewer or other words.');
    await click('Narrow down');
    await click('FITS 1');
    expect(await empty()).toContain('No dataset matches “galaxy” together with: FITS. Take one of these away');
    await type('Search datasets', '');
    expect(await empty()).toContain('No dataset fits: FITS. Take one of these away, or make it wider.');
    await click('Clear search');
    expect(asked()).toBe('datasets?q=');
  });

  it('names the sources that could not be searched', async () => {
    const source = { id: 'esa', title: 'ESA', kind: 'stac', error: null, harvested: null, datasets: 0 };
    server.foundHeld.catalogues = [{ ...source, state: 'pending' }];
    expect(await empty()).toContain('Not searched, because not heard yet or not answering: ESA.');
  });
});
