import { HEIGHT_PIXELS, layOut, ROW_PIXELS } from './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CopiesModel } from '../data/copies';
import { Details } from '../data/details';
import { DatasetBrowserModel } from '../data/model';
import { BARREN_PAGES_MAX, isNodeRow } from '../data/rows';
import { Shelf } from '../data/shelf';
import { DatasetTree } from '../data/tree';
import { useSignal } from '../hooks';
import { entries, FakeServer, NO_ACTIONS, NO_STORES, settle } from './support';

const trans = nullTranslator.load('perijove');

let server: FakeServer;
let model: DatasetBrowserModel;
const opened = vi.fn();

function Tree(): React.ReactElement {
  useSignal(model.changed);
  return <DatasetTree model={model} onOpen={opened} trans={trans} />;
}

beforeEach(async () => {
  layOut();
  vi.stubGlobal('requestAnimationFrame', (call: () => void) => setTimeout(call, 0));
  opened.mockReset();
  server = new FakeServer();
  server.folders = {
    'demo/': entries('', ['images/', 'README.txt']),
    'big/': entries(
      '',
      Array.from({ length: 100_000 }, (_, index) => `obj-${index}`)
    )
  };
  model = new DatasetBrowserModel(server);
  render(<Tree />);
  await act(async () => {
    model.start();
    await settle();
  });
});

afterEach(() => {
  cleanup();
  model.dispose();
  vi.unstubAllGlobals();
});

async function press(key: string): Promise<void> {
  await act(async () => {
    fireEvent.keyDown(document.activeElement!, { key });
    await new Promise(resolve => setTimeout(resolve, 5));
  });
}

async function click(element: Element): Promise<void> {
  await act(async () => {
    fireEvent.click(element);
    await settle();
  });
}

/** Lets the tree load what it loads by itself until its last row is of a kind. */
async function lastIs(kind: string): Promise<void> {
  for (let turns = 0; turns < 200 && model.rows.at(-1)?.kind !== kind; turns += 1) {
    await act(() => new Promise(resolve => setTimeout(resolve, 5)));
  }
  expect(model.rows.at(-1)?.kind).toBe(kind);
}

const names = () => screen.getAllByRole('treeitem').map(item => item.querySelector('.pj-Tree-label')?.textContent);

describe('the tree in the page', () => {
  it('is one ARIA tree with depth, place and number of each row', async () => {
    await click(screen.getByRole('treeitem', { name: /Demo images/ }));
    const item = screen.getByRole('treeitem', { name: /README.txt/ });
    expect(screen.getByRole('tree', { name: 'Datasets' }).contains(item)).toBe(true);
    expect(item.getAttribute('aria-level')).toBe('2');
    expect(item.getAttribute('aria-posinset')).toBe('2');
    expect(item.getAttribute('aria-setsize')).toBe('2');
    expect(item.getAttribute('aria-expanded')).toBeNull();
    expect(screen.getByRole('treeitem', { name: /Demo images/ }).getAttribute('aria-expanded')).toBe('true');
  });

  it('counts the names of a folder that cannot be shown, after those that can', async () => {
    server.skippedHeld = { 'demo/': 1, 'demo/images': 3 };
    await click(screen.getByRole('treeitem', { name: /Demo images/ }));
    const item = screen.getByRole('treeitem', { name: '1 name cannot be shown here.' });
    expect(item.getAttribute('aria-posinset')).toBe('3');
    expect(item.getAttribute('aria-setsize')).toBe('3');
    await click(screen.getByRole('treeitem', { name: 'images' }));
    expect(screen.getByRole('treeitem', { name: '3 names cannot be shown here.' })).toBeTruthy();
    expect(screen.queryByRole('treeitem', { name: /empty/ })).toBeNull();
  });

  it('is walked with the keys, and Enter opens a file', async () => {
    screen.getAllByRole('treeitem')[0].focus();
    await press('ArrowRight');
    expect(names()).toEqual(['Demo images', 'images', 'README.txt', 'Big survey']);
    await press('ArrowDown');
    await press('r');
    expect(document.activeElement?.textContent).toContain('README.txt');
    await press('Enter');
    expect(opened).toHaveBeenCalledOnce();
    expect(model.location).toEqual({ dataset: 'demo', path: 'README.txt', type: 'file' });
    await press('ArrowLeft');
    await press('ArrowLeft');
    expect(names()).toEqual(['Demo images', 'Big survey']);
  });

  it('goes to the ends with Home and End, and Space does what a click does', async () => {
    screen.getAllByRole('treeitem')[0].focus();
    await press('End');
    expect(document.activeElement?.textContent).toContain('Big survey');
    await press('Home');
    expect(document.activeElement?.textContent).toContain('Demo images');
    await press(' ');
    expect(names()).toEqual(['Demo images', 'images', 'README.txt', 'Big survey']);
    await press('ArrowRight');
    expect(document.activeElement?.textContent).toContain('images');
    await press('ArrowUp');
    await press(' ');
    expect(names()).toEqual(['Demo images', 'Big survey']);
  });

  it('counts a press of the pointer when it is released, so that nothing moves under it before', async () => {
    const row = screen.getByRole('treeitem', { name: /Demo images/ });
    await act(async () => {
      fireEvent(row, new MouseEvent('pointerdown', { bubbles: true, button: 0 }));
      row.focus();
      await settle();
    });
    expect(model.location).toBeNull();
    fireEvent(row, new MouseEvent('pointerup', { bubbles: true, button: 0 }));
    await click(row);
    expect(model.location?.dataset).toBe('demo');
  });

  it('keeps the focused row in the page while it is scrolled away', async () => {
    await click(screen.getByRole('treeitem', { name: /Big survey/ }));
    const rowOf = (name: string) => document.querySelector<HTMLElement>(`[data-key="file:big/${name}"]`);
    const row = rowOf('obj-1')!;
    act(() => row.focus());
    const tree = screen.getByRole('tree');
    await act(async () => {
      tree.scrollTop = 100 * ROW_PIXELS;
      fireEvent.scroll(tree);
      await settle();
    });
    expect(rowOf('obj-99')).toBeTruthy();
    expect(rowOf('obj-2')).toBeNull();
    expect(document.activeElement).toBe(row);
    expect(row.isConnected).toBe(true);
  });

  it('has the keyboard at every key, also when the row before was scrolled away and leaves the page', async () => {
    await click(screen.getByRole('treeitem', { name: /Big survey/ }));
    act(() => document.querySelector<HTMLElement>('[data-key="file:big/obj-1"]')!.focus());
    const tree = screen.getByRole('tree');
    await act(async () => {
      tree.scrollTop = 100 * ROW_PIXELS;
      fireEvent.scroll(tree);
      await settle();
    });
    for (const key of 'obj-15') {
      fireEvent.keyDown(document.activeElement!, { key });
    }
    expect(document.activeElement?.textContent).toContain('obj-15');
  });

  it('has one stop for Tab', async () => {
    await click(screen.getByRole('treeitem', { name: /Demo images/ }));
    act(() => model.activate('file:demo/README.txt'));
    const stops = screen.getAllByRole('treeitem').filter(item => item.tabIndex === 0);
    expect(stops.map(item => item.textContent)).toEqual(['README.txt2.00 KiB']);
  });

  it('keeps few elements in the page however many rows there are', async () => {
    model.pageSize = 100_000;
    await click(screen.getByRole('treeitem', { name: /Big survey/ }));
    expect(model.rows).toHaveLength(100_002);
    expect(screen.getAllByRole('treeitem').length).toBeGreaterThan(HEIGHT_PIXELS / ROW_PIXELS);
    expect(document.querySelectorAll('*').length).toBeLessThan(400);
  });

  it('looks through so many pages of an archive that knows no filter, and further when somebody says so', async () => {
    server.linked = ['big'];
    await click(screen.getByRole('treeitem', { name: /Big survey/ }));
    const pages = () => server.asked.filter(call => call.startsWith('tree big/?obj-99999@')).length;
    act(() => model.filterFolder('dataset:big', 'obj-99999'));
    await lastIs('paused');
    expect(pages()).toBe(BARREN_PAGES_MAX);
    expect(screen.getByText('No further name that begins with “obj-99999” so far.')).toBeTruthy();
    await click(screen.getByRole('button', { name: 'Look further' }));
    await lastIs('paused');
    expect(pages()).toBe(2 * BARREN_PAGES_MAX);
    // nothing was skipped: at the end of the folder is what was looked for
    model.pageSize = 10_000;
    screen.getAllByRole('treeitem').at(-1)!.focus();
    await press('Enter');
    await lastIs('file');
    expect(names()).toEqual(['Demo images', 'Big survey', 'obj-99999']);
  });

  it('offers to try again where a folder did not load', async () => {
    server.trouble = 'The store did not answer.';
    await click(screen.getByRole('treeitem', { name: /Demo images/ }));
    expect(screen.getByText('The store did not answer.')).toBeTruthy();
    server.trouble = null;
    await click(screen.getByRole('button', { name: 'Try again' }));
    expect(names()).toEqual(['Demo images', 'images', 'README.txt', 'Big survey']);
    expect(model.location?.path).toBe('images');
  });
});

describe('the details', () => {
  it('show licence, DOI and copies, and make no link of a script', () => {
    act(() => model.activate('dataset:demo'));
    const row = model.activeRow;
    if (!isNodeRow(row)) {
      throw new Error('a dataset is selected');
    }
    const [copies, shelf] = [new CopiesModel(server), new Shelf(NO_STORES)];
    render(<Details node={row.node} copies={copies} shelf={shelf} currency="EUR" actions={NO_ACTIONS} trans={trans} />);
    const details = screen.getByRole('region', { name: 'Details' });
    expect(details.textContent).toContain('CC-BY-4.0');
    const links = [...details.querySelectorAll('a')];
    expect(links.map(link => [link.href, link.rel])).toEqual([
      ['https://doi.org/10.5270/esa-igeq1', 'noopener noreferrer']
    ]);
    expect([...details.querySelectorAll('ol li')].map(item => item.textContent)).toEqual([
      'esac (eu-es-madrid): free to read from here',
      'eu-de-1: reading all of it costs 0.10 EUR'
    ]);
    expect(screen.queryByRole('button', { name: 'Preview' })).toBeNull();
  });
});
