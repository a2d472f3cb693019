import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import { clusterInUrl, merge, silentGateway } from '../compute/clusters';
import { ComputeModel, POLL_MILLISECONDS } from '../compute/model';
import { WAIT_PAUSE_MILLISECONDS } from '../compute/waiting';
import { cluster, FakeGateways, health, HEARD } from './gateways';
import { lease } from './support';

const LATER = '2026-01-01T12:00:05Z';
const panel = {};

let gateways: FakeGateways;
let model: ComputeModel;

beforeEach(() => {
  vi.useFakeTimers();
  gateways = new FakeGateways();
  model = new ComputeModel(gateways);
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

/** So many times the list was asked for. */
function lists(): number {
  return gateways.asked.filter(asked => asked === 'clusters').length;
}

async function pass(milliseconds = 50): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

async function show(): Promise<void> {
  model.watch(panel, true);
  await pass();
}

describe('the list of clusters', () => {
  it('is asked for every 5 seconds while somebody looks, and not at all while nobody does', async () => {
    await pass(60_000);
    expect(gateways.asked).toEqual([]);
    await show();
    expect(lists()).toBe(1);
    await pass(2 * POLL_MILLISECONDS);
    expect(lists()).toBe(3);
    model.watch(panel, false);
    await pass(60_000);
    expect(lists()).toBe(3);
    await show();
    expect(lists()).toBe(4);
  });

  it('is asked for as long as one of several looks', async () => {
    const plot = {};
    await show();
    model.watch(plot, true);
    model.watch(panel, false);
    await pass(POLL_MILLISECONDS);
    expect(lists()).toBe(2);
  });

  it('is asked for less and less often after errors, and stays in sight', async () => {
    gateways.held = [cluster('a')];
    await show();
    gateways.trouble = new ApiError(502, 'No gateway answered.');
    await pass(POLL_MILLISECONDS);
    expect([model.error, model.open.map(({ name }) => name)]).toEqual(['No gateway answered.', ['a']]);
    const before = lists();
    await pass(2 * POLL_MILLISECONDS);
    expect(lists() - before).toBeLessThan(2);
    gateways.trouble = null;
    model.again();
    await pass();
    expect(model.error).toBe('');
  });

  it('knows which rows are old', async () => {
    gateways.held = [cluster('a'), cluster('b', { gateway: 'cloud' })];
    gateways.health = [health('esac'), health('cloud', { reachable: false, reason: 'Cloud does not answer.' })];
    await show();
    expect(model.open.map(each => silentGateway(model.view, each)?.reason)).toEqual([
      undefined,
      'Cloud does not answer.'
    ]);
  });

  it('tells what ended from what did not, the last first', async () => {
    gateways.held = [
      cluster('a'),
      cluster('b', { state: 'stopped', ended: '2026-01-01T10:00:00Z' }),
      cluster('c', { state: 'failed', ended: '2026-01-01T11:00:00Z' })
    ];
    await show();
    expect(model.open.map(({ name }) => name)).toEqual(['a']);
    expect(model.ended.map(({ name }) => name)).toEqual(['c', 'b']);
  });

  it('does not take an older word for a newer one', () => {
    const heard = (state: 'running' | 'starting', observed_at: string) => ({
      items: [cluster('a', { state, observed_at })],
      gateways: [],
      currency: null
    });
    expect(merge(heard('running', LATER), heard('starting', HEARD)).items[0].state).toBe('running');
    expect(merge(heard('starting', HEARD), heard('running', LATER)).items[0].state).toBe('running');
  });

  it('comes with what else runs, asked for once a minute', async () => {
    gateways.leasesHeld = [lease({ id: 'other', kind: 'session' })];
    await show();
    await pass(30_000);
    expect(model.leases).toHaveLength(1);
    expect(gateways.asked.filter(asked => asked === 'leases')).toHaveLength(1);
    await pass(31_000);
    expect(gateways.asked.filter(asked => asked === 'leases')).toHaveLength(2);
  });
});

describe('a cluster that starts', () => {
  it('is waited for, without asking again and again', async () => {
    gateways.held = [cluster('a', { state: 'starting' })];
    await show();
    await pass(POLL_MILLISECONDS);
    expect(gateways.asked.filter(asked => asked === 'wait a')).toHaveLength(1);
    gateways.set('a', { state: 'running', observed_at: LATER });
    gateways.release.splice(0).forEach(go => go());
    await pass();
    expect(model.open[0].state).toBe('running');
    expect(gateways.asked.filter(asked => asked === 'wait a')).toHaveLength(1);
  });

  it('is waited for again when the answer came before it ran', async () => {
    gateways.held = [cluster('a', { state: 'starting' })];
    await show();
    gateways.release.splice(0).forEach(go => go());
    await pass(WAIT_PAUSE_MILLISECONDS + 1);
    expect(gateways.asked.filter(asked => asked === 'wait a')).toHaveLength(2);
  });

  it('is waited for by two questions at most, since a browser has few connections', async () => {
    gateways.held = ['a', 'b', 'c'].map(name => cluster(name, { state: 'requested' }));
    await show();
    expect(gateways.asked.filter(asked => asked.startsWith('wait'))).toEqual(['wait a', 'wait b']);
  });

  it('is asked for with its workers, and is not waited for once nobody looks', async () => {
    await show();
    await model.create({ gateway: 'esac', options: {}, title: 'T', workers: 4 });
    expect([model.open[0].title, model.open[0].workers_wanted]).toEqual(['T', 4]);
    model.watch(panel, false);
    gateways.set('new', { state: 'running', observed_at: LATER });
    gateways.release.splice(0).forEach(go => go());
    await pass();
    expect(gateways.asked.filter(asked => asked.startsWith('create'))).toEqual([
      'create {"gateway":"esac","options":{},"title":"T","workers":4}'
    ]);
    expect(gateways.asked.filter(asked => asked.startsWith('scale'))).toEqual([]);
  });

  it('says what was said to its workers, until it is changed', async () => {
    gateways.held = [cluster('a', { said: 'Scaling to 4 instead.' })];
    await show();
    expect(model.said({ gateway: 'esac', name: 'a' })?.text).toBe('Scaling to 4 instead.');
    gateways.set('a', { said: null });
    await model.scale({ gateway: 'esac', name: 'a' }, 2);
    expect(model.said({ gateway: 'esac', name: 'a' })).toBeUndefined();
  });
});

describe('a change', () => {
  const id = { gateway: 'esac', name: 'a' };

  beforeEach(async () => {
    gateways.held = [cluster('a')];
    await show();
  });

  it('shows what the gateway did not do', async () => {
    gateways.said = 'At most 4 workers. Scaling to 4 instead.';
    expect(await model.scale(id, 10)).toBe(true);
    expect(model.said(id)).toEqual({ severity: 'warning', text: gateways.said });
    expect(model.find(id)?.workers_wanted).toBe(10);
    gateways.said = null;
    await model.adapt(id, 1, 8);
    expect(model.said(id)).toBeUndefined();
    expect(model.find(id)?.adaptive).toEqual({ minimum: 1, maximum: 8 });
  });

  it('that fails changes nothing and says why', async () => {
    gateways.trouble = new ApiError(409, 'It does not run.');
    expect(await model.keep(id)).toBe(false);
    expect(model.said(id)).toEqual({ severity: 'error', text: 'It does not run.' });
    expect(model.isBusy(id)).toBe(false);
  });

  it('is done once when it is asked for twice', async () => {
    const [first, second] = await Promise.all([model.keep(id), model.keep(id)]);
    expect([first, second]).toEqual([true, false]);
    expect(gateways.asked.filter(asked => asked.startsWith('keep'))).toEqual(['keep a 30']);
  });

  it('is not undone by a list that was on its way', async () => {
    const late = model.refresh();
    gateways.held = [cluster('a', { workers_wanted: 2 })];
    await model.scale(id, 5);
    gateways.held = [cluster('a', { workers_wanted: 5 })];
    await late;
    expect(model.find(id)?.workers_wanted).toBe(5);
  });

  it('tells that the limits may have changed', async () => {
    const spent = vi.fn();
    model.spent.connect(spent);
    await model.stop(id);
    expect(spent).toHaveBeenCalledOnce();
    // what it held is free only once it is over
    gateways.set('a', { state: 'stopped', observed_at: LATER });
    await pass(POLL_MILLISECONDS);
    expect(spent).toHaveBeenCalledTimes(2);
    await pass(POLL_MILLISECONDS);
    expect(spent).toHaveBeenCalledTimes(2);
  });

  it('that stops it shows that at once', async () => {
    const states: string[] = [];
    model.changed.connect(() => states.push(model.find(id)!.state));
    await model.stop(id);
    expect(states).toContain('stopping');
  });

  it('stops all of them, or says that it did not', async () => {
    gateways.held = [cluster('a'), cluster('b')];
    await model.refresh();
    gateways.notStopped = [{ gateway: 'esac', name: 'b', reason: 'Cloud does not answer.' }];
    await expect(model.stopAll()).rejects.toThrow('Cloud does not answer.');
    expect(model.said({ gateway: 'esac', name: 'b' })?.text).toBe('Cloud does not answer.');
    gateways.trouble = new ApiError(502, 'Cloud does not answer.');
    await expect(model.stopAll()).rejects.toThrow('Cloud does not answer.');
  });
});

describe('the address of a dashboard', () => {
  const clusters = [cluster('ns.aa11'), cluster('bb22', { state: 'stopped' }), cluster('bb22', { gateway: 'cloud' })];

  it('belongs to the cluster whose name is a part of its path', () => {
    const url = 'https://gateway.example/services/dask/clusters/ns.aa11/status?x=bb22';
    expect(clusterInUrl(clusters, url)?.name).toBe('ns.aa11');
    expect(clusterInUrl(clusters, '/clusters/bb22/status')?.gateway).toBe('cloud');
  });

  it.each(['http://10.0.0.1:8787/status', 'https://x/ns.aa112/status', 'http://%', ''])('%s belongs to none', url => {
    expect(clusterInUrl(clusters, url)).toBeUndefined();
  });
});
