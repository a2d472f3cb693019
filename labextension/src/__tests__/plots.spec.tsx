import './browser';
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import { NewClusterModel } from '../compute/form';
import { layoutOf } from '../compute/layout';
import { ComputeModel } from '../compute/model';
import { PlotModel, UNLOAD_MILLISECONDS } from '../compute/plot-model';
import PlotView from '../compute/plot-view';
import { plotsPlugin } from '../compute/plots-plugin';
import { CommandIds } from '../tokens';
import { cluster, FakeGateways } from './gateways';
import { settle } from './support';

const trans = nullTranslator.load('perijove');
const id = { gateway: 'esac', name: 'a' };

let gateways: FakeGateways;
let clusters: ComputeModel;

beforeEach(() => {
  gateways = new FakeGateways();
  gateways.held = [cluster('a', { title: 'Mine' })];
  clusters = new ComputeModel(gateways);
});

afterEach(() => {
  cleanup();
  clusters.dispose();
  vi.useRealTimers();
  Notification.dismiss();
});

describe('a plot', () => {
  let plot: PlotModel;
  const actions = { startAgain: vi.fn(), close: vi.fn() };

  beforeEach(() => {
    vi.resetAllMocks();
    plot = new PlotModel(clusters, id, 'Progress');
  });

  afterEach(() => plot.dispose());

  async function show(): Promise<HTMLElement> {
    plot.setVisible(true);
    await settle();
    const { container } = render(<PlotView model={plot} actions={actions} trans={trans} />);
    return container;
  }

  it('is sought by its title each time, since an address does not last', async () => {
    const frame = (await show()).querySelector('iframe')!;
    expect(frame.getAttribute('src')).toBe('/perijove/dask/clusters/esac/a/dashboard/individual-progress');
    expect(frame.getAttribute('sandbox')).toBe('allow-scripts allow-same-origin');
    expect(frame.title).toBe('Progress of cluster Mine');
    const skip = screen.getByRole('button', { name: 'Skip the dashboard' });
    expect(skip.compareDocumentPosition(frame)).toBe(Node.DOCUMENT_POSITION_FOLLOWING);
    fireEvent.click(skip);
    expect(document.activeElement?.textContent).toBe('End of the dashboard');
  });

  it('is the whole dashboard where no plot has its title', async () => {
    gateways.plotsHeld = [];
    const frame = (await show()).querySelector('iframe')!;
    expect(frame.getAttribute('src')).toBe('/perijove/dask/clusters/esac/a/dashboard/status');
  });

  it('of a cluster that is over says so, and starts it again', async () => {
    gateways.set('a', { state: 'failed', reason: 'Out of memory.' });
    expect((await show()).querySelector('iframe')).toBeNull();
    expect(screen.getByRole('heading', { name: 'This cluster has ended' })).toBeTruthy();
    expect(screen.getByText('Cluster Mine failed: Out of memory.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Start again' }));
    expect(actions.startAgain).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ name: 'a', title: 'Mine' }));
  });

  it('of a cluster that nobody knows any more offers a new one', async () => {
    gateways.held = [];
    await show();
    fireEvent.click(screen.getByRole('button', { name: 'New cluster' }));
    expect(actions.startAgain).toHaveBeenCalledExactlyOnceWith(null);
  });

  it('ends with its cluster, as the list tells', async () => {
    const container = await show();
    expect(container.querySelector('iframe')).not.toBeNull();
    gateways.set('a', { state: 'stopped' });
    await act(() => clusters.refresh());
    expect(container.querySelector('iframe')).toBeNull();
    expect(screen.getByRole('heading', { name: 'This cluster has ended' })).toBeTruthy();
  });

  it('comes once its cluster runs', async () => {
    gateways.set('a', { state: 'starting' });
    const container = await show();
    expect(screen.getByText(/^The cluster starts\./)).toBeTruthy();
    gateways.set('a', { state: 'running' });
    await act(async () => {
      await clusters.refresh();
      await settle();
    });
    expect(container.querySelector('iframe')).not.toBeNull();
  });

  it('that cannot be had is asked for again', async () => {
    gateways.trouble = new ApiError(502, 'ESAC does not answer.');
    const container = await show();
    expect(screen.getByRole('alert').textContent).toContain('ESAC does not answer.');
    gateways.trouble = null;
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await act(settle);
    expect(container.querySelector('iframe')).not.toBeNull();
  });

  it('is unloaded when nobody has seen it for 5 minutes, and loaded when somebody does', async () => {
    vi.useFakeTimers();
    const container = await show();
    plot.setVisible(false);
    await act(() => vi.advanceTimersByTimeAsync(UNLOAD_MILLISECONDS - 1));
    expect(container.querySelector('iframe')).not.toBeNull();
    await act(() => vi.advanceTimersByTimeAsync(1));
    expect(container.querySelector('iframe')).toBeNull();
    plot.setVisible(true);
    await act(() => vi.advanceTimersByTimeAsync(1));
    expect(container.querySelector('iframe')).not.toBeNull();
  });

  it('asks for nothing before somebody sees it, nor for the list once nobody does', async () => {
    vi.useFakeTimers();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(gateways.asked).toEqual([]);
    plot.setVisible(true);
    await vi.advanceTimersByTimeAsync(100);
    expect(gateways.asked).toContain('clusters');
    plot.setVisible(false);
    gateways.asked = [];
    await vi.advanceTimersByTimeAsync(60_000);
    expect(gateways.asked).toEqual([]);
  });
});

describe('three plots side by side', () => {
  it('are those that tell most, if they are there', () => {
    const plots = ['Aggregate', 'Progress', 'Task Stream', 'Workers Memory', 'Workers'];
    expect(layoutOf(plots.map(title => ({ title, path: title })))).toEqual(['Task Stream', 'Progress', 'Workers']);
    expect(layoutOf([])).toEqual([]);
  });
});

describe('tabs', () => {
  let commands: CommandRegistry;
  let tabs: Widget[];
  let restore: Parameters<ILayoutRestorer['restore']>[1];
  let restored: () => void;

  beforeEach(() => {
    commands = new CommandRegistry();
    tabs = [];
    const shell = {
      add: (widget: Widget) => {
        tabs.push(widget);
        Widget.attach(widget, document.body);
      },
      activateById: vi.fn()
    };
    const done = new Promise<void>(resolve => (restored = resolve));
    const app = { commands, shell, restored: done } as unknown as JupyterFrontEnd;
    const restorer = {
      restore: (_: unknown, options: typeof restore) => {
        restore = options;
        return Promise.resolve();
      }
    };
    const form = new NewClusterModel(gateways, () => Promise.reject(new Error('not here')), trans);
    void plotsPlugin.activate(app, { model: clusters, form }, restorer, null, null);
  });

  afterEach(() => {
    tabs.forEach(tab => tab.dispose());
    MessageLoop.flush();
  });

  async function run(command: string, args: object): Promise<void> {
    await act(async () => {
      await commands.execute(command, { ...args });
      await vi.dynamicImportSettled();
      await settle();
    });
  }

  it('are restored by gateway, cluster and title, never by an address', async () => {
    await run(CommandIds.openPlot, { ...id, plot: 'Progress' });
    expect(tabs).toHaveLength(1);
    const args = restore.args!(tabs[0]);
    expect(args).toEqual({ gateway: 'esac', name: 'a', plot: 'Progress' });
    expect(restore.name(tabs[0] as never)).toBe('esac/a/Progress');
    expect(restore.command).toBe('compute:open-plot');
    await run(CommandIds.openPlot, args);
    expect(tabs).toHaveLength(1);
  });

  it('open for the button that Dask shows with a client', async () => {
    gateways.plotsHeld = ['Workers', 'Task Stream'].map(title => ({ title, path: title }));
    expect(commands.hasCommand('dask:populate-and-launch-layout')).toBe(false);
    restored();
    await settle();
    await run('dask:populate-and-launch-layout', { url: 'https://gw/clusters/a/status' });
    expect(tabs.map(({ title }) => title.label)).toEqual(['Task Stream: Mine', 'Workers: Mine']);
  });

  it('do not open for a client of another cluster, which is said', async () => {
    restored();
    await settle();
    await run('dask:populate-and-launch-layout', { url: 'http://127.0.0.1:8787/status' });
    expect(tabs).toEqual([]);
    const [told] = Notification.manager.notifications;
    expect(told.message).toMatch(/^This client belongs to no cluster of this platform/);
  });

  it('leave the button to dask-labextension where that is installed', async () => {
    const theirs = vi.fn();
    commands.addCommand('dask:populate-and-launch-layout', { execute: theirs });
    restored();
    await settle();
    await commands.execute('dask:populate-and-launch-layout', { url: '/clusters/a/status' });
    expect(theirs).toHaveBeenCalledOnce();
    expect(tabs).toEqual([]);
  });
});
