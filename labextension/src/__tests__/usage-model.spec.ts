import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { LEAST_INTERVAL_MILLISECONDS, tightestOf, UsageModel } from '../usage/model';
import { hintText, shortText } from '../usage/text';
import { FakeServer, lease, quota, usageOf } from './support';

const trans = nullTranslator.load('perijove');
const usage = usageOf({ quotas: [quota('sessions', 1, 2)], lease: lease() });

describe('the tightest limit', () => {
  it('is the one on what is held now of which the greatest share is used', () => {
    const gpuHours = quota('GPU hours', 39, 40, { window: 'month' });
    expect(tightestOf([gpuHours, quota('cores', 2, 16), quota('sessions', 1, 2)])?.name).toBe('sessions');
    expect(tightestOf([gpuHours])?.name).toBe('GPU hours');
    expect(tightestOf([])).toBeNull();
  });

  it('is the one in the worst state, whatever it limits', () => {
    const gpuHours = quota('GPU hours', 39, 40, { window: 'month', state: 'warning' });
    const full = quota('sessions', 2, 2, { state: 'exhausted' });
    expect(tightestOf([quota('cores', 15, 16), gpuHours])?.name).toBe('GPU hours');
    expect(tightestOf([gpuHours, full, quota('cores', 15, 16)])?.name).toBe('sessions');
  });

  it('may be a limit of nothing, which is used up', () => {
    expect(tightestOf([quota('sessions', 1, 2), quota('GPUs', 0, 0)])?.name).toBe('GPUs');
  });

  it('tells its state in words, not by colour alone', () => {
    expect(shortText(quota('sessions', 1, 2), trans)).toBe('1 of 2 sessions');
    expect(shortText(quota('cores', 15.25, 16, { state: 'warning' }), trans)).toBe('Nearly full: 15.3 of 16 cores');
    expect(shortText(quota('sessions', 2, 2, { state: 'exhausted' }), trans)).toBe('Limit reached: 2 of 2 sessions');
  });

  it('comes with all others and the site in the hint', () => {
    expect(hintText(usage, 0, trans)).toBe('sessions: 1 of 2 sessions\nThis session runs at esac.');
  });
});

describe('usage', () => {
  it('is asked for once a minute at most', async () => {
    const server = new FakeServer();
    server.usageHeld = usage;
    let now = 0;
    const model = new UsageModel(server, () => now);
    await model.refresh();
    now = LEAST_INTERVAL_MILLISECONDS - 1;
    await model.refresh();
    expect(server.asked).toEqual(['usage']);
    now += 1;
    await model.refresh();
    expect(server.asked).toEqual(['usage', 'usage']);
    expect(model.tightest?.name).toBe('sessions');
  });

  it('is forgotten when the server cannot tell any more', async () => {
    const server = new FakeServer();
    server.usageHeld = usage;
    let now = 0;
    const model = new UsageModel(server, () => now);
    await model.refresh();
    server.trouble = 'Control did not answer.';
    now = LEAST_INTERVAL_MILLISECONDS;
    await expect(model.refresh()).rejects.toThrow('Control did not answer.');
    expect(model.usage).toBeNull();
  });

  it('is asked for at once when something has changed it', async () => {
    const server = new FakeServer();
    server.usageHeld = usage;
    const model = new UsageModel(server, () => 0);
    await model.refresh();
    await model.refresh(true);
    expect(server.asked).toEqual(['usage', 'usage']);
  });
});

describe('keeping a session', () => {
  it('shows the new end at once, and asks for it once', async () => {
    const server = new FakeServer();
    server.usageHeld = usage;
    server.leaseHeld = lease({ ends_at: '2026-01-01T13:00:00Z', keeps_left: 1 });
    const model = new UsageModel(server);
    await model.refresh();
    const late = model.refresh(true);
    await Promise.all([model.keep(30), model.keep(30)]);
    await late;
    expect(server.asked).toEqual(['usage', 'usage', 'keep 30']);
    // the answer that was on its way when it was kept does not bring the old end back
    expect(model.usage).toEqual({ ...usage, lease: server.leaseHeld });
  });

  it('changes nothing when it is refused', async () => {
    const server = new FakeServer();
    server.usageHeld = usage;
    const model = new UsageModel(server);
    await model.refresh();
    server.trouble = 'The limit is used up.';
    await expect(model.keep(30)).rejects.toThrow('The limit is used up.');
    expect(model.usage).toBe(usage);
  });
});
