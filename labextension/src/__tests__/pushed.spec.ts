import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import { ComputeModel } from '../compute/model';
import { ClusterNews } from '../compute/news';
import { PushedClusters } from '../compute/pushed';
import { cluster, FakeGateways, HEARD } from './gateways';
import { FakeNotifier, settle } from './support';

const store = { load: () => ({ keys: [], states: {} }), save: vi.fn() };
const actions = { keep: vi.fn(), show: vi.fn() };
const LATER = '2026-01-01T12:00:05Z';

let gateways: FakeGateways;
let model: ComputeModel;
let notifier: FakeNotifier;
let pushed: PushedClusters;

beforeEach(() => {
  gateways = new FakeGateways();
  model = new ComputeModel(gateways);
  notifier = new FakeNotifier();
  const trans = nullTranslator.load('perijove');
  pushed = new PushedClusters(model, new ClusterNews(model, notifier, actions, store, trans));
});

afterEach(() => model.dispose());

function event(change: object = {}): Record<string, unknown> {
  const of = { gateway: 'esac', name: 'a', state: 'failed', previous: 'running', at: HEARD };
  return { ...of, ...change };
}

function lists(): number {
  return gateways.asked.filter(asked => asked === 'clusters').length;
}

function messages(): string[] {
  return notifier.shown.map(({ message }) => message);
}

describe('what the server tells of clusters', () => {
  it.each(['running', null])('is told though nobody looks: it failed, and was %s before', async previous => {
    gateways.held = [cluster('a', { title: 'Mine', state: 'failed', reason: 'Out of memory.' })];
    pushed.onEvent(event({ previous }));
    await settle();
    expect([lists(), messages()]).toEqual([1, ['Cluster Mine failed: Out of memory.']]);
    pushed.onEvent(event({ at: LATER, previous: 'failed' }));
    await settle();
    expect([lists(), messages().length]).toEqual([2, 1]);
  });

  it('is asked for once when it is told of several at once, and again for what came meanwhile', async () => {
    pushed.onEvent(event());
    pushed.onEvent(event({ name: 'b' }));
    pushed.onEvent(event({ name: 'c', at: LATER }));
    await settle();
    expect(lists()).toBe(2);
  });

  it('is asked for when an event was missed, and not when it was not', async () => {
    pushed.onToldAt(null);
    pushed.onToldAt(undefined);
    await settle();
    expect(lists()).toBe(0);
    pushed.onToldAt(HEARD);
    await settle();
    pushed.onToldAt(HEARD);
    pushed.onEvent(event());
    await settle();
    expect(lists()).toBe(1);
  });

  it('is asked for again the next time when that failed', async () => {
    gateways.trouble = new ApiError(502, 'Away.');
    pushed.onToldAt(HEARD);
    await settle();
    gateways.trouble = null;
    pushed.onToldAt(HEARD);
    await settle();
    expect(lists()).toBe(2);
    expect(model.error).toBe('');
  });

  it.each([{ gateway: 7 }, { name: null }, { at: null }, { at: 'soon' }])(
    'is left alone when it is none of that: %o',
    async change => {
      pushed.onEvent(event(change));
      await settle();
      expect(gateways.asked).toEqual([]);
    }
  );
});
