import { layOut } from './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { act } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CopiesModel } from '../data/copies';
import { DatasetBrowserModel } from '../data/model';
import { DataPanel, IPanelActions } from '../data/panel';
import { entries, FakeServer, settle } from './support';

/** What §6.2 of the targets allows, whatever a folder holds. */
const NODES_MAX = 400;

let server: FakeServer;
let browser: DatasetBrowserModel;
let panel: DataPanel;
const fetched = vi.fn(() => Promise.resolve(undefined));
const settings = { fetch: vi.fn(() => Promise.resolve({})), save: () => Promise.resolve() };

beforeEach(() => {
  layOut();
  fetched.mockClear();
  settings.fetch.mockClear();
  server = new FakeServer();
  browser = new DatasetBrowserModel(server);
  const stores = { state: { fetch: fetched, save: () => Promise.resolve() }, settings };
  const models = { browser, copies: new CopiesModel(server), stores, currency: () => 'EUR' };
  panel = new DataPanel(models, {} as IPanelActions, nullTranslator.load('perijove'));
});

afterEach(() => {
  panel.dispose();
  browser.dispose();
});

async function attach(): Promise<void> {
  await act(async () => {
    panel.hide();
    Widget.attach(panel, document.body);
    MessageLoop.flush();
    await vi.dynamicImportSettled();
    await settle();
  });
}

async function show(): Promise<void> {
  await act(async () => {
    panel.show();
    MessageLoop.flush();
    await vi.dynamicImportSettled();
    await settle();
  });
  // its code comes late
  await vi.waitFor(async () => {
    await act(settle);
    expect(panel.node.querySelector('.pj-Tree')).not.toBeNull();
  }, 30_000);
}

describe('the Data panel', () => {
  it('asks nobody for anything before it is in sight, and once when it is', async () => {
    await attach();
    expect(server.asked).toEqual([]);
    expect(fetched).not.toHaveBeenCalled();
    expect(settings.fetch).not.toHaveBeenCalled();
    // not even for its own code
    expect(panel.node.children).toHaveLength(0);
    await show();
    expect(server.asked).toEqual(['datasets?q=']);
    expect(fetched).toHaveBeenCalledOnce();
    expect(settings.fetch).toHaveBeenCalledOnce();
    panel.hide();
    await show();
    expect(server.asked).toEqual(['datasets?q=']);
    expect(settings.fetch).toHaveBeenCalledOnce();
  });

  it('asks for a page of 200 of a folder of 100,000, and has few elements with all of its parts', async () => {
    const values = (name: string) =>
      Array.from({ length: 50 }, (_, index) => ({ value: `${name} ${index}`, count: 1 }));
    const titled = (name: string) => values(name).map(each => ({ ...each, title: each.value }));
    server.foundHeld = { facets: { format: titled('f'), keyword: titled('k'), provider: titled('p') } };
    server.folders['big/'] = entries(
      '',
      Array.from({ length: 100_000 }, (_, index) => `obj-${index}`)
    );
    await attach();
    await show();
    await act(async () => {
      browser.activate('dataset:big');
      browser.expand('dataset:big');
      await settle();
    });
    expect(server.asked).toEqual(['datasets?q=', 'tree big/@0']);
    expect(browser.rows).toHaveLength(2 + 200 + 1);
    await act(async () => {
      for (const toggle of panel.node.querySelectorAll<HTMLElement>('.pj-Disclosure > button')) {
        toggle.click();
      }
      await settle();
    });
    expect(panel.node.querySelectorAll('.pj-Tree-row').length).toBeGreaterThan(20);
    expect(panel.node.querySelectorAll('*').length).toBeLessThan(NODES_MAX);
  });
});
