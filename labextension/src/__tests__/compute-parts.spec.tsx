import './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import type { IComputeActions } from '../compute/actions';
import { NewClusterModel } from '../compute/form';
import { ComputeModel } from '../compute/model';
import { ClusterNews } from '../compute/news';
import Panel from '../compute/panel-view';
import { workersText } from '../compute/text';
import type { ICluster } from '../compute/wire';
import { UsageModel } from '../usage/model';
import type { IUsage } from '../wire';
import { cluster, FakeGateways, health } from './gateways';
import { FakeNotifier, FakeServer, lease, quota, settle, usageOf } from './support';

const trans = nullTranslator.load('perijove');
const HOSTILE = '<img src=x onerror=alert(1)>';

let server: FakeServer;
let gateways: FakeGateways;
let model: ComputeModel;
const actions = {
  newCluster: vi.fn(),
  stop: vi.fn(() => Promise.resolve()),
  stopAll: vi.fn(() => Promise.resolve()),
  openPlot: vi.fn(),
  openLayout: vi.fn(),
  insertCode: vi.fn()
} satisfies IComputeActions;

beforeEach(() => {
  vi.clearAllMocks();
  server = new FakeServer();
  gateways = server.compute;
  model = new ComputeModel(gateways);
});

afterEach(() => {
  cleanup();
  model.dispose();
});

async function show(held: ICluster[], said: IUsage = usageOf()): Promise<void> {
  gateways.held = held;
  server.usageHeld = said;
  const usage = new UsageModel(server);
  await usage.refresh(true);
  await model.refresh().catch(() => undefined);
  await settle();
  const form = new NewClusterModel(gateways, asked => model.create(asked), trans);
  const store = { load: () => ({ keys: [], states: {} }), save: () => undefined };
  const told = new ClusterNews(model, new FakeNotifier(), { keep: vi.fn(), show: vi.fn() }, store, trans);
  const news = () => Promise.resolve(told);
  const models = { clusters: model, form, news, usage, hubHome: '/hub/home' };
  render(<Panel models={models} actions={actions} trans={trans} />);
}

/** The row of a cluster, by its title. */
function row(title: string) {
  return within(screen.getByRole('heading', { name: title }).closest('li')!);
}

function inMinutes(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toISOString();
}

function press(name: string | RegExp): void {
  fireEvent.click(screen.getByRole('button', { name }));
}

describe('workers in words', () => {
  it.each<[Partial<ICluster>, string]>([
    [{}, '2 workers'],
    [{ workers: 1, workers_wanted: 1, workers_granted: 1 }, '1 worker'],
    [{ workers: 2, workers_granted: 4, workers_wanted: 10 }, '2 of 4 workers granted, 10 wanted'],
    [{ workers: 1, workers_granted: 4, workers_wanted: 4 }, '1 of 4 workers'],
    [{ workers: null, workers_granted: 0, workers_wanted: 0 }, 'No workers yet'],
    [{ state: 'requested', workers: null, workers_wanted: 1 }, '1 worker is asked for once it runs'],
    [{ state: 'starting', workers: null, workers_wanted: 0 }, 'No workers yet'],
    [
      { state: 'starting', workers: null, workers_wanted: 1, adaptive: { minimum: 1, maximum: 8 } },
      'Adapts from 1 to 8 workers once it runs'
    ],
    [{ workers: null, workers_granted: 4, workers_wanted: 4 }, '4 workers wanted'],
    [{ adaptive: { minimum: 1, maximum: 8 } }, '2 workers, adapts from 1 to 8']
  ])('%o', (change, words) => {
    expect(workersText(cluster('a', change), trans)).toBe(words);
  });
});

describe('a row', () => {
  it('says how a cluster is, what is in the way, what it costs, and when it stops', async () => {
    const capped = 'Limit reached: 16 of 16 cores.';
    await show([
      cluster('ns.0123456789', { capped, workers_granted: 4, workers_wanted: 10, idle_stop_at: inMinutes(12) })
    ]);
    const shown = row('01234567');
    for (const words of [
      'Running',
      '2 of 4 workers granted, 10 wanted',
      capped,
      '0.10 EUR so far, 0.40 EUR per hour'
    ]) {
      expect(shown.getByText(words)).toBeTruthy();
    }
    expect(shown.getByText('Stops in 12 min because nothing runs in it')).toBeTruthy();
    fireEvent.click(shown.getByRole('button', { name: 'Keep 01234567 for 30 min' }));
    await act(settle);
    expect(gateways.asked).toContain('keep ns.0123456789 30');
    expect(shown.queryByRole('button', { name: /^Keep/ })).toBeNull();
  });

  it('is scaled to a number, or between two, and gives the focus back', async () => {
    await show([cluster('a', { title: 'Mine' })]);
    press('Scale');
    expect((document.activeElement as HTMLInputElement).type).toBe('radio');
    fireEvent.change(screen.getByLabelText('Workers'), { target: { value: '5' } });
    press('Apply');
    await act(settle);
    expect(gateways.asked).toContain('scale a 5');
    expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Scale' }));

    press('Scale');
    fireEvent.click(screen.getByLabelText('As many as the work needs'));
    fireEvent.change(screen.getByLabelText('From'), { target: { value: '9' } });
    expect(screen.getByRole('alert').textContent).toBe('The least must not be more than the most.');
    press('Apply');
    fireEvent.change(screen.getByLabelText('to'), { target: { value: '12' } });
    press('Apply');
    await act(settle);
    expect(gateways.asked.filter(asked => asked.startsWith('adapt'))).toEqual(['adapt a 9 12']);
  });

  it('keeps the numbers and says why when they are refused', async () => {
    await show([cluster('a')]);
    press('Scale');
    gateways.trouble = new ApiError(422, 'At most 20 workers.');
    fireEvent.change(screen.getByLabelText('Workers'), { target: { value: '50' } });
    press('Apply');
    await act(settle);
    expect(screen.getByText('At most 20 workers.').getAttribute('role')).toBe('alert');
    expect(screen.getByLabelText<HTMLInputElement>('Workers').value).toBe('50');
  });

  it('opens the dashboard or one of its plots, inserts code, and stops', async () => {
    await show([cluster('a')]);
    press('Dashboard');
    press('Plots');
    await act(settle);
    press('Progress');
    press('Three side by side');
    press('Insert code');
    press('Stop');
    const id = expect.objectContaining({ gateway: 'esac', name: 'a' }) as ICluster;
    expect(actions.openPlot.mock.calls).toEqual([
      [id, ''],
      [id, 'Progress']
    ]);
    for (const action of [actions.openLayout, actions.insertCode, actions.stop]) {
      expect(action).toHaveBeenCalledExactlyOnceWith(id);
    }
  });

  it('of a gateway that does not answer says how old it is, and offers only what may still work', async () => {
    gateways.health = [
      health('esac', { reachable: false, reason: 'ESAC does not answer.', observed_at: inMinutes(-3) })
    ];
    await show([cluster('a', { observed_at: inMinutes(-3), idle_stop_at: inMinutes(5) })]);
    expect(row('a').getByText('As of 3 min ago: ESAC does not answer.')).toBeTruthy();
    const names = row('a')
      .getAllByRole('button')
      .map(({ textContent }) => textContent);
    expect(names).toEqual(['Insert code', 'Stop', 'Options']);
    const silent = screen.getByRole('list', { name: 'Gateways that do not answer' });
    expect(silent.textContent).toBe('ESAC does not answer. It last did 3 min ago.');
  });

  it('that starts says how many workers it gets', async () => {
    await show([]);
    await act(() => model.create({ gateway: 'esac', options: {}, title: 'New', workers: 3 }));
    expect(row('New').getByText('3 workers are asked for once it runs')).toBeTruthy();
    expect(row('New').getByText('Starting')).toBeTruthy();
  });

  it('is there from the click on, and once only when the list is quicker than the answer', async () => {
    await show([]);
    const asked = { gateway: 'esac', options: {}, title: 'New', minimum: 0, maximum: 8 };
    let answer = (): void => undefined;
    const answered = new Promise<void>(resolve => (answer = resolve));
    const made = cluster('new', { title: 'New', state: 'starting', workers: null });
    vi.spyOn(gateways, 'create').mockImplementation(async () => {
      await answered;
      return { cluster: made, said: null };
    });
    const creating = model.create(asked);
    await act(settle);
    expect(row('New').getByText('Requested').parentElement!.textContent).toBe('Requested · ESAC');
    expect(row('New').getByText('Adapts from 0 to 8 workers once it runs')).toBeTruthy();
    expect(row('New').queryByRole('button')).toBeNull();
    gateways.held = [made];
    await act(() => model.refresh());
    expect(row('New').getByText('Starting')).toBeTruthy();
    answer();
    await act(() => creating);
    expect(row('New').getByText('Starting')).toBeTruthy();
  });

  it('goes when the cluster is refused', async () => {
    await show([]);
    gateways.trouble = new ApiError(422, 'Limit reached.');
    const creating = model.create({ gateway: 'esac', options: {}, title: 'New', workers: 3 });
    await act(async () => {
      await expect(creating).rejects.toThrow('Limit reached.');
    });
    expect(screen.queryByRole('heading', { name: 'New' })).toBeNull();
  });

  it('that starts says what it waits for', async () => {
    await show([cluster('a', { title: 'New', state: 'starting', reason: 'its scheduler waits for a node' })]);
    expect(row('New').getByText('Its scheduler waits for a node')).toBeTruthy();
  });

  it('says what was said to the workers that it was started with', async () => {
    await show([cluster('a', { title: 'New', said: 'At most 4 workers. Scaling to 4 instead.' })]);
    expect(row('New').getByRole('alert').textContent).toBe('At most 4 workers. Scaling to 4 instead.');
  });

  it('gives the focus to the heading when it goes away', async () => {
    await show([cluster('a')]);
    const stop = screen.getByRole('button', { name: 'Stop' });
    stop.focus();
    await act(() => model.stop({ gateway: 'esac', name: 'a' }));
    expect(document.activeElement).toBe(screen.getByRole('heading', { name: 'Clusters' }));
  });
});

describe('all of them', () => {
  it('can be stopped when there are several', async () => {
    await show([cluster('a'), cluster('b')]);
    press('Stop all');
    expect(actions.stopAll).toHaveBeenCalledOnce();
  });

  it('say what to do when there is none', async () => {
    await show([]);
    expect(screen.getByText(/^No cluster runs\./)).toBeTruthy();
    press('New cluster');
    expect(actions.newCluster).toHaveBeenCalledExactlyOnceWith({});
    expect(screen.queryByRole('button', { name: 'Stop all' })).toBeNull();
  });

  it('say when the platform has no gateway', async () => {
    gateways.health = [];
    await show([]);
    expect(screen.getByText(/^This platform has no Dask gateway/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'New cluster' })).toBeNull();
  });

  it('say when they cannot be heard, and are asked for again', async () => {
    gateways.trouble = new ApiError(502, 'No gateway answered.');
    await show([]);
    expect(screen.getByText('No gateway answered.')).toBeTruthy();
    gateways.trouble = null;
    press('Try again');
    await act(settle);
    expect(screen.getByText(/^No cluster runs\./)).toBeTruthy();
  });
});

describe('what has ended', () => {
  it('says why, with which options, and how its log ended, and can be started again', async () => {
    const failed = cluster('b', {
      title: 'Bad image',
      state: 'failed',
      reason: 'The image does not exist.',
      ended: inMinutes(-5),
      created: inMinutes(-7),
      has_log: true
    });
    gateways.logHeld = 'ImagePullBackOff';
    await show([failed]);
    const shown = row('Bad image');
    expect(shown.getByText('Failed 5 min ago, after 2 min')).toBeTruthy();
    expect(shown.getByText('The image does not exist.')).toBeTruthy();
    expect(gateways.asked).not.toContain('log b');
    fireEvent.click(shown.getByRole('button', { name: 'Options and log' }));
    expect(shown.getByText('Asking for its log…')).toBeTruthy();
    await act(settle);
    expect(shown.getByText('ImagePullBackOff')).toBeTruthy();
    expect(shown.getByText('cores: 2')).toBeTruthy();
    fireEvent.click(shown.getByRole('button', { name: 'Start Bad image again' }));
    expect(actions.newCluster).toHaveBeenCalledExactlyOnceWith({ like: failed });
  });

  it('says why its log is not shown', async () => {
    await show([cluster('b', { title: 'Bad', state: 'failed', has_log: true })]);
    gateways.trouble = new ApiError(503, 'ESAC does not answer.');
    fireEvent.click(row('Bad').getByRole('button', { name: 'Options and log' }));
    await act(settle);
    expect(row('Bad').getByText('Its log is not shown: ESAC does not answer.')).toBeTruthy();
  });
});

describe('where I run', () => {
  const here = lease({
    profile: 'Standard',
    resources: { cpu: 2, memory_gib: 4 },
    cost_hour: 0.12,
    explanation: {
      summary: 'It holds demo',
      candidates: [{ site: 'esac', title: 'ESAC', reasons: ['holds demo'], cost_hour: 0.12 }],
      rejected: [{ site: 'pole', title: 'Polar station', reasons: ['closed'] }]
    }
  });

  it('is told with its costs, and why', async () => {
    await show([], usageOf({ lease: here, quotas: [quota('sessions', 2, 2, { state: 'exhausted' })] }));
    expect(screen.getByText('ESAC')).toBeTruthy();
    expect(screen.getByText('0.12 EUR per hour, 0.50 EUR so far')).toBeTruthy();
    press('Why here');
    expect(screen.getByText('It holds demo')).toBeTruthy();
    expect(screen.getByText('Polar station').parentElement!.textContent).toBe('Polar stationclosed');
    press(/^Limits/);
    expect(screen.getAllByText('Limit reached: 2 of 2 sessions')).toHaveLength(2);
  });

  it('is called what people call it, and so is the profile', async () => {
    const elsewhere = lease({ ...here, profile: 'standard', site: 'cloud-eu' });
    const titles = { sites: { 'cloud-eu': 'Cloud EU' }, profiles: { standard: 'Standard' } };
    const perSite = quota('cores', 2, 8, { subject: 'site:cloud-eu', per: 'site' });
    await show([], usageOf({ lease: elsewhere, titles, quotas: [perSite] }));
    const shown = within(screen.getByRole('region', { name: 'Where I run' }));
    expect(shown.getByText('Cloud EU').parentElement!.textContent).toBe('Cloud EU · Standard: 2 cores, 4 GiB');
    press(/^Limits/);
    expect(screen.getByText(/for all at site Cloud EU/)).toBeTruthy();
  });

  it('is called by its name when nobody knows more', async () => {
    await show([], usageOf({ lease: lease({ ...here, profile: 'standard', site: 'cloud-eu' }) }));
    const shown = within(screen.getByRole('region', { name: 'Where I run' }));
    expect(shown.getByText('cloud-eu').parentElement!.textContent).toBe('cloud-eu · standard: 2 cores, 4 GiB');
  });

  it('is told apart from what else runs', async () => {
    gateways.leasesHeld = [
      here,
      lease({ id: 'lease-a', kind: 'cluster', name: 'a' }),
      lease({ id: 'two', kind: 'session', name: 'second', site: 'pole', state: 'active' }),
      lease({ id: 'k', kind: 'cluster', name: 'made by hand', site: 'esac', state: 'starting' })
    ];
    await show([cluster('a')], usageOf({ lease: here }));
    const elsewhere = within(screen.getByRole('region', { name: 'Elsewhere' }));
    const items = elsewhere.getAllByRole('listitem').map(item => item.textContent);
    expect(items).toEqual([
      'Session second · Polar station, running0.50 EUR so far',
      'Cluster made by hand · ESAC, starting0.50 EUR so far'
    ]);
    expect(elsewhere.getByRole('link').getAttribute('href')).toBe('/hub/home');
  });
});

it('shows what comes from outside as text', async () => {
  const hostile = { title: HOSTILE, gateway_title: HOSTILE, capped: HOSTILE, options: { [HOSTILE]: HOSTILE } };
  const ended = { ...hostile, state: 'failed' as const, reason: HOSTILE, has_log: true };
  gateways.logHeld = HOSTILE;
  await show([cluster('a', hostile), cluster('b', ended)]);
  screen.getAllByRole('button', { name: /^Options/ }).forEach(button => fireEvent.click(button));
  await act(settle);
  expect(document.querySelector('img')).toBeNull();
  expect(screen.getAllByText(HOSTILE).length).toBeGreaterThan(3);
});
