import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ComputeModel } from '../compute/model';
import { ClusterNews, IShown } from '../compute/news';
import type { ICluster } from '../compute/wire';
import { cluster, FakeGateways, health, HEARD } from './gateways';
import { FakeNotifier } from './support';

const trans = nullTranslator.load('perijove');
const now = Date.parse(HEARD);

let gateways: FakeGateways;
let model: ComputeModel;
let notifier: FakeNotifier;
let shown: IShown;
let news: ClusterNews;
const actions = { keep: vi.fn(), show: vi.fn() };

function watch(): void {
  model = new ComputeModel(gateways);
  const store = { load: () => shown, save: (kept: IShown) => (shown = kept) };
  news = new ClusterNews(model, notifier, actions, store, trans, () => now);
}

beforeEach(() => {
  vi.resetAllMocks();
  gateways = new FakeGateways();
  notifier = new FakeNotifier();
  shown = { keys: [], states: {} };
  watch();
});

afterEach(() => model.dispose());

/** The list is asked for, and one cluster has changed. */
async function hear(change: Partial<ICluster>): Promise<void> {
  gateways.held = [cluster('a', { title: 'Mine', ...change })];
  await model.refresh();
}

function messages(): string[] {
  return notifier.shown.map(({ message }) => message);
}

function inMinutes(minutes: number): string {
  return new Date(now + minutes * 60_000).toISOString();
}

describe('a screen reader', () => {
  it('hears that a cluster runs, and that it stopped and why', async () => {
    await hear({ state: 'starting' });
    expect(news.announcement).toBe('');
    await hear({ state: 'running' });
    expect(news.announcement).toBe('Cluster Mine is running.');
    await hear({ state: 'stopped', reason: 'Nothing ran in it.' });
    expect(news.announcement).toBe('Cluster Mine stopped: Nothing ran in it.');
  });

  it('hears nothing of what was so before', async () => {
    await hear({ state: 'running' });
    await hear({ state: 'running' });
    expect(news.announcement).toBe('');
  });
});

describe('a notification', () => {
  it('is shown once when a cluster was capped', async () => {
    const capped = 'Limit reached: 16 of 16 cores.';
    await hear({ capped });
    await hear({ capped, workers: 3 });
    expect(messages()).toEqual([`Cluster Mine has fewer workers than it wants: ${capped}`]);
    notifier.press('Show clusters');
    expect(actions.show).toHaveBeenCalledOnce();
  });

  it('is shown anew for another limit, and for the same one when it was out of the way in between', async () => {
    await hear({ capped: '2 of 5 workers fit. The limit cores is in the way: 15.5 of 16 cores are used.' });
    await hear({ capped: '3 of 6 workers fit. The limit cores is in the way: 16 of 16 cores are used.' });
    expect(messages()).toHaveLength(1);
    await hear({ capped: '3 of 6 workers fit. The limit memory is in the way: 60 of 64 GiB are used.' });
    expect(messages()).toHaveLength(2);
    expect(messages()[1]).toContain('The limit memory');
    expect(notifier.dismissed).toEqual([messages()[0]]);
    await hear({ capped: null });
    expect(notifier.dismissed).toHaveLength(2);
    await hear({ capped: '3 of 6 workers fit. The limit memory is in the way: 60 of 64 GiB are used.' });
    expect(messages()).toHaveLength(3);
  });

  it('is shown anew for what is said to a later wish', async () => {
    for (const said of ['Scaling to 4 instead.', null, 'Scaling to 4 instead.']) {
      await hear({ said });
    }
    expect(messages()).toHaveLength(2);
  });

  it('is shown before a cluster stops for being idle, with a way to keep it, and goes when it was kept', async () => {
    await hear({ idle_stop_at: inMinutes(6) });
    expect(messages()).toEqual([]);
    await hear({ idle_stop_at: inMinutes(4) });
    await hear({ idle_stop_at: inMinutes(3) });
    expect(messages()).toEqual(['Cluster Mine: Stops in 4 min because nothing runs in it.']);
    notifier.press('Keep 30 minutes');
    expect(actions.keep).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ gateway: 'esac', name: 'a' }));
    await hear({ idle_stop_at: inMinutes(33) });
    expect(notifier.dismissed).toEqual(messages());
    await hear({ idle_stop_at: inMinutes(4) });
    expect(messages()).toHaveLength(2);
  });

  it('is shown when a cluster fails, but not for one that had failed before anybody looked', async () => {
    gateways.held = [cluster('old', { state: 'failed', reason: 'Long ago.' }), cluster('a', { title: 'Mine' })];
    await model.refresh();
    await model.refresh();
    expect(messages()).toEqual([]);
    await hear({ state: 'failed', reason: 'Out of memory.' });
    await hear({ state: 'failed', reason: 'Out of memory.' });
    expect(messages()).toEqual(['Cluster Mine failed: Out of memory.']);
    expect(notifier.shown[0].type).toBe('error');
  });

  it('is not shown again after a reload of the page', async () => {
    await hear({ capped: 'Limit reached.' });
    watch();
    await hear({ capped: 'Limit reached.' });
    expect(messages()).toHaveLength(1);
  });

  it('is shown for what failed while the page was reloaded', async () => {
    await hear({ state: 'running' });
    watch();
    await hear({ state: 'failed', reason: 'Out of memory.' });
    watch();
    await hear({ state: 'failed', reason: 'Out of memory.' });
    expect(messages()).toEqual(['Cluster Mine failed: Out of memory.']);
  });

  it('is shown once when not all of the workers come that a cluster was started with', async () => {
    await hear({ said: 'Scaling to 4 instead.' });
    await hear({ said: 'Scaling to 4 instead.' });
    expect(messages()).toEqual(['Cluster Mine: Scaling to 4 instead.']);
  });

  it('is not shown for what a gateway said before it fell silent', async () => {
    gateways.health = [health('esac', { reachable: false })];
    await hear({ idle_stop_at: inMinutes(2) });
    expect(messages()).toEqual([]);
  });
});
