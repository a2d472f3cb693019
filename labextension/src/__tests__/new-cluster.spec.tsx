import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import { meantBy, typedOf } from '../compute/fields';
import { ESTIMATE_DELAY_MILLISECONDS, NewClusterModel } from '../compute/form';
import { NewClusterForm } from '../compute/form-view';
import type { IClusterOption, INewCluster, Json } from '../compute/wire';
import { cluster, estimateOf, FakeGateways, gateway, option } from './gateways';

const trans = nullTranslator.load('perijove');
const HOSTILE = '<img src=x onerror=alert(1)>';

let gateways: FakeGateways;
let form: NewClusterModel;
let created: INewCluster[];

beforeEach(() => {
  vi.useFakeTimers();
  gateways = new FakeGateways();
  created = [];
  const create = async (asked: INewCluster) => {
    created.push(asked);
    return (await gateways.create(asked)).cluster;
  };
  form = new NewClusterModel(gateways, create, trans);
});

afterEach(() => {
  cleanup();
  form.dispose();
  vi.useRealTimers();
});

async function pass(milliseconds = ESTIMATE_DELAY_MILLISECONDS): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

async function show(start: Parameters<NewClusterModel['open']>[0] = {}): Promise<void> {
  await form.open(start);
  render(<NewClusterForm model={form} trans={trans} />);
  await pass();
}

function type(label: string | RegExp, value: string): void {
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
}

function estimates(): string[] {
  return gateways.asked.filter(asked => asked.startsWith('estimate'));
}

describe('an option', () => {
  const means = (given: IClusterOption, typed: string | boolean) => meantBy(given, typed, trans);
  const small = option('n', 'int', { default: 2, minimum: 1, maximum: 8 });

  it.each<[IClusterOption, string | boolean, Json]>([
    [option('s', 'string', { default: 'a' }), '', ''],
    [option('b', 'bool', { default: true }), false, false],
    [small, '8', 8],
    [small, '', 2],
    [option('x', 'float'), '0.5', 0.5],
    [option('c', 'select', { choices: ['a', 2] }), '1', 2],
    [option('m', 'mapping'), 'A=1\n\n B = x=y ', { A: '1', B: 'x=y ' }]
  ])('%o means what was typed', (given, typed, value) => {
    expect(means(given, typed)).toEqual({ value });
  });

  it.each<[IClusterOption, string, string]>([
    [small, '9', 'It must be 1 to 8.'],
    [small, '1.5', 'This must be a whole number.'],
    [small, 'x', 'This is no number.'],
    [option('f', 'float', { minimum: 1 }), '0', 'It must be 1 or more.'],
    [option('m', 'mapping'), 'A', '“A” is not of the form name=value.']
  ])('%o does not take %s', (given, typed, fault) => {
    expect(means(given, typed)).toEqual({ fault });
  });

  it('is shown as it was, or as its default where that is not possible any more', () => {
    const choice = option('c', 'select', { choices: ['a', 'b'], default: 'b' });
    expect([typedOf(choice, 'a'), typedOf(choice, 'gone'), typedOf(choice, undefined)]).toEqual(['0', '1', '1']);
    expect(typedOf(option('m', 'mapping'), { A: '1', B: 2 })).toBe('A=1\nB=2');
    expect(typedOf(option('b', 'bool', { default: true }), undefined)).toBe(true);
  });
});

describe('the estimate', () => {
  it('is asked for once the typing has paused, and the question before is given up', async () => {
    await show();
    expect(estimates()).toEqual(['estimate esac 2']);
    type('Workers', '3');
    await pass(ESTIMATE_DELAY_MILLISECONDS - 1);
    type('Workers', '4');
    await pass(ESTIMATE_DELAY_MILLISECONDS - 1);
    expect(estimates()).toHaveLength(1);
    await pass(1);
    expect(estimates()).toEqual(['estimate esac 2', 'estimate esac 4']);
    type('Workers', '5');
    expect(gateways.signals.at(-1)!.aborted).toBe(true);
  });

  it('says what it costs, when it stops, and what is left', async () => {
    await show();
    const said = screen.getByRole('status').textContent;
    expect(said).toContain('0.30 EUR per hour for 5 cores, 10 GiB.');
    expect(said).toContain('Stops by itself when nothing has run in it for 30 min.');
    expect(said).toContain('Cores at once: 9 of 16 cores left');
  });

  it('says in words when it does not fit', async () => {
    const limits = [{ name: 'c', label: 'Cores at once', unit: 'cores', left: -3, limit: 16 }];
    gateways.estimateHeld = estimateOf({ fits: false, why_not: 'Take fewer workers.', limits });
    await show();
    expect(screen.getByText('Take fewer workers.')).toBeTruthy();
    expect(screen.getByText('Cores at once: 3 cores too many (limit 16)')).toBeTruthy();
  });

  it.each([null, 0])('warns of a cluster that does not stop by itself (%s)', async idle => {
    gateways.estimateHeld = estimateOf({ idle_stop_seconds: idle });
    await show();
    expect(screen.getByText('It does not stop by itself.').className).toBe('pj-Estimate-warning');
  });

  it('warns that the site may be full', async () => {
    gateways.estimateHeld = estimateOf({ warning: 'ESAC is full now.' });
    await show();
    expect(screen.getByText('ESAC is full now.').className).toBe('pj-Estimate-warning');
  });

  it('that cannot be had keeps nobody from starting', async () => {
    await show();
    gateways.trouble = new ApiError(502, 'Control did not answer.');
    type('Workers', '3');
    await pass();
    expect(screen.getByText('There is no estimate. Control did not answer.')).toBeTruthy();
    gateways.trouble = null;
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created).toEqual([{ gateway: 'esac', options: { cores: 2 }, title: '', workers: 3 }]);
  });

  it('is not asked for while something is wrong', async () => {
    await show();
    type(/^cores/, '99');
    await pass();
    expect(estimates()).toHaveLength(1);
    expect(screen.getByText('It must be 1 to 8.')).toBeTruthy();
    expect(screen.getByLabelText(/^cores/).getAttribute('aria-invalid')).toBe('true');
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created).toEqual([]);
  });
});

describe('the form', () => {
  it('takes the keyboard, and has a field for every kind of option', async () => {
    gateways.gatewaysHeld = [
      gateway('esac', {
        options: [
          option('tag', 'string'),
          option('spot', 'bool'),
          option('cores', 'int', { default: 2 }),
          option('memory', 'float', { default: 4 }),
          option('image', 'select', { choices: ['a', 'b'], default: 'b' }),
          option('env', 'mapping', { default: { A: '1' } })
        ]
      })
    ];
    await show();
    expect(document.activeElement?.textContent).toBe('New cluster');
    fireEvent.click(screen.getByLabelText('spot'));
    type('tag', 'x');
    type('image', '0');
    type(/^env/, 'B=2');
    expect(form.options).toEqual({ tag: 'x', spot: true, cores: 2, memory: 4, image: 'a', env: { B: '2' } });
  });

  it('takes the first gateway, or the one that is nearest to a dataset', async () => {
    await form.open();
    expect(form.gateway?.gateway).toBe('esac');
    gateways.gatewaysHeld = [
      gateway('esac', { near: 'It reads demo from elsewhere.', egress_cost: 12.5 }),
      gateway('cloud', { preferred: true, near: 'It reads demo where it is.' })
    ];
    await show({ dataset: 'demo' });
    expect(gateways.asked).toContain('gateways demo');
    expect(screen.getByLabelText<HTMLSelectElement>('Gateway').value).toBe('cloud');
    expect(screen.getByRole('option', { name: 'CLOUD (nearest to the data)' })).toBeTruthy();
    expect(screen.getByText('It reads demo where it is.')).toBeTruthy();
    type('Gateway', 'esac');
    expect(screen.getByText('Reading all of the dataset from here costs 12.50 EUR.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Not for a dataset' }));
    await pass();
    expect(form.gateway?.gateway).toBe('esac');
    expect(gateways.asked.filter(asked => asked.startsWith('gateways')).at(-1)).toBe('gateways');
  });

  it('passes over a gateway that does not answer, and does not start there', async () => {
    gateways.gatewaysHeld = [gateway('esac', { reachable: false, reason: 'ESAC does not answer.' }), gateway('cloud')];
    await show();
    expect(form.gateway?.gateway).toBe('cloud');
    type('Gateway', 'esac');
    expect(screen.getByText('ESAC does not answer.')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created).toEqual([]);
  });

  it('loses nothing when it is refused, and says why', async () => {
    await show();
    type('Title', 'Mine');
    type('Workers', '7');
    await pass();
    gateways.trouble = new ApiError(403, 'Limit reached: 2 of 2 clusters.');
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(screen.getByRole('alert').textContent).toBe('Limit reached: 2 of 2 clusters.');
    expect(screen.getByLabelText<HTMLInputElement>('Title').value).toBe('Mine');
    expect(screen.getByLabelText<HTMLInputElement>('Workers').value).toBe('7');
    expect(form.isOpen).toBe(true);
    gateways.trouble = null;
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created.at(-1)).toEqual({ gateway: 'esac', options: { cores: 2 }, title: 'Mine', workers: 7 });
    expect(form.isOpen).toBe(false);
  });

  it('that was closed while it was asked for comes back to say why it was refused', async () => {
    await show();
    gateways.trouble = new ApiError(403, 'Limit reached: 2 of 2 clusters.');
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    form.close();
    await pass();
    expect([form.isOpen, form.error]).toEqual([true, 'Limit reached: 2 of 2 clusters.']);
  });

  it('begins as a cluster was that is started again, without options that are gone', async () => {
    const like = cluster('a', {
      gateway: 'cloud',
      title: 'Old',
      workers_wanted: 6,
      options: { cores: 5, gone: 1, title: 'Old' }
    });
    await show({ like });
    expect([form.gateway?.gateway, form.title, form.size.workers]).toEqual(['cloud', 'Old', '6']);
    expect(form.options).toEqual({ cores: 5 });
  });

  it('begins between the same numbers as a cluster that chose by itself, and counts with the most', async () => {
    await show({ like: cluster('a', { workers_wanted: 3, adaptive: { minimum: 1, maximum: 6 } }) });
    expect(screen.getByLabelText<HTMLInputElement>('Only as many workers as the work needs').checked).toBe(true);
    expect(screen.queryByLabelText('Workers')).toBeNull();
    expect(estimates()).toEqual(['estimate esac 6']);
    expect(screen.getByRole('status').textContent).toContain('With as many workers as it may have:');
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created).toEqual([{ gateway: 'esac', options: { cores: 2 }, title: '', minimum: 1, maximum: 6 }]);
  });

  it('lets a cluster choose by itself, within what it may have', async () => {
    await show();
    fireEvent.click(screen.getByLabelText('Only as many workers as the work needs'));
    await pass();
    type('At least', '3');
    type('At most', '2');
    expect(screen.getByText('The least must not be more than the most.')).toBeTruthy();
    type('At most', '4');
    await pass();
    type('At most', '21');
    expect(screen.getByText('A cluster has at most 20 workers here.')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Start cluster' }).getAttribute('aria-disabled')).toBe('true');
    type('At most', '20');
    await pass();
    expect(estimates().at(-1)).toBe('estimate esac 20');
    fireEvent.click(screen.getByRole('button', { name: 'Start cluster' }));
    await pass();
    expect(created.at(-1)).toEqual({ gateway: 'esac', options: { cores: 2 }, title: '', minimum: 3, maximum: 20 });
  });

  it('does not take more workers than a cluster may have', async () => {
    await show();
    type('Workers', '21');
    expect(screen.getByText('A cluster has at most 20 workers here.')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Start cluster' }).getAttribute('aria-disabled')).toBe('true');
  });

  it('says when the gateways cannot be had, and asks again', async () => {
    gateways.trouble = new ApiError(502, 'Control did not answer.');
    await show();
    expect(screen.getByRole('alert').textContent).toBe('Control did not answer.');
    gateways.trouble = null;
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await pass();
    expect(screen.queryByRole('alert')).toBeNull();
    expect(screen.getByLabelText('Gateway')).toBeTruthy();
  });

  it('says when there is none to choose', async () => {
    gateways.gatewaysHeld = [];
    await show();
    expect(screen.getByText('There is no gateway that you may use.')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Start cluster' })).toBeNull();
  });

  it('goes away by Escape, and what was typed is there again', async () => {
    await show();
    type('Title', 'Later');
    fireEvent.keyDown(screen.getByLabelText('Title'), { key: 'Escape' });
    expect(form.isOpen).toBe(false);
    await form.open();
    expect(form.title).toBe('Later');
  });

  it('shows what comes from outside as text', async () => {
    gateways.gatewaysHeld = [
      gateway('esac', { title: HOSTILE, near: HOSTILE, options: [option('x', 'string', { label: HOSTILE })] })
    ];
    gateways.estimateHeld = estimateOf({ fits: false, why_not: HOSTILE });
    await show({ dataset: HOSTILE });
    expect(document.querySelector('img')).toBeNull();
  });
});
