import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { LEAST_INTERVAL_MILLISECONDS, tightestOf, UsageModel } from '../usage/model';
import { hintText, shortText } from '../usage/text';
import type { IUsage } from '../wire';
import { FakeServer, quota } from './support';

const trans = nullTranslator.load('perijove');
const lease = { id: 'l', site: 'esac', started: null, cost: 0, explanation: { summary: '' } };
const usage: IUsage = { quotas: [quota('sessions', 1, 2)], lease, currency: 'EUR' };

describe('the tightest limit', () => {
  it('is the one on what is held now of which the greatest share is used', () => {
    const gpuHours = quota('GPU hours', 39, 40, { window: 'month' });
    expect(tightestOf([gpuHours, quota('cores', 2, 16), quota('sessions', 1, 2)])?.name).toBe('sessions');
    expect(tightestOf([gpuHours])?.name).toBe('GPU hours');
    expect(tightestOf([])).toBeNull();
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
    expect(hintText(usage, trans)).toBe('sessions: 1 of 2 sessions\nThis session runs at esac.');
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
});
