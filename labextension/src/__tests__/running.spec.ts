import './browser';
import { Notification } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ApiError } from '../client';
import { ComputeModel } from '../compute/model';
import { managerOf } from '../compute/running-plugin';
import { cluster, FakeGateways } from './gateways';
import { settle } from './support';

let gateways: FakeGateways;
let model: ComputeModel;

beforeEach(() => {
  gateways = new FakeGateways();
  model = new ComputeModel(gateways);
});

afterEach(() => model.dispose());

it('clusters are among what runs, and can be shut down there', async () => {
  const show = vi.fn();
  const manager = managerOf(model, show, nullTranslator.load('perijove'));
  expect(manager.running()).toEqual([]);
  gateways.held = [cluster('a', { title: 'Mine' }), cluster('b', { state: 'stopped' })];
  manager.refreshRunning();
  await settle();
  const [mine, ...others] = manager.running();
  expect([mine.label(), mine.detail!(), others]).toEqual(['Mine', 'ESAC', []]);
  expect(mine.labelTitle!()).toBe('ESAC: Running, 2 workers');
  mine.open!();
  expect(show).toHaveBeenCalledOnce();
  mine.shutdown!();
  await settle();
  manager.shutdownAll();
  expect(gateways.asked.filter(asked => asked.startsWith('stop'))).toEqual(['stop a', 'stop all']);
});

it('a cluster that is not stopped there says why', async () => {
  const told = vi.spyOn(Notification, 'error');
  gateways.held = [cluster('a', { title: 'Mine' })];
  await model.refresh();
  const [mine] = managerOf(model, vi.fn(), nullTranslator.load('perijove')).running();
  mine.shutdown!();
  await settle();
  expect(told).not.toHaveBeenCalled();
  gateways.trouble = new ApiError(503, 'The Dask Gateway of ESAC cannot be reached.');
  mine.shutdown!();
  await settle();
  const words = 'Cluster Mine was not stopped. The Dask Gateway of ESAC cannot be reached.';
  expect(told).toHaveBeenCalledExactlyOnceWith(words, { autoClose: false });
});
