import './browser';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { computePlugin } from '../compute/plugin';
import type { IClusters } from '../tokens';
import { UsageModel } from '../usage/model';
import { cluster, HEARD } from './gateways';
import { FakeServer, usageOf } from './support';

// the notebook's own code needs a browser that lays things out
vi.mock('@jupyterlab/notebook', () => ({ INotebookTracker: null, NotebookActions: {} }));

const LATER = '2026-01-01T12:00:05Z';

let server: FakeServer;
let usage: UsageModel;
let hear: (event: object) => void;

/** The page is loaded, and nobody looks at the Compute panel. */
function load(): void {
  usage = new UsageModel(server);
  const stream = new Signal<object, object>({});
  hear = event => stream.emit({ schema_id: 'https://events.perijove.dev/cluster/v1', gateway: 'esac', ...event });
  const app = {
    commands: new CommandRegistry(),
    shell: { add: vi.fn(), activateById: vi.fn() },
    serviceManager: { events: { stream } }
  };
  const none = [null, null, null, null, null, null, null] as const;
  void (computePlugin.activate(app as unknown as JupyterFrontEnd, server, usage, ...none) as IClusters);
}

function lists(): number {
  return server.compute.asked.filter(asked => asked === 'clusters').length;
}

function shown(): string[] {
  return Notification.manager.notifications.map(({ message }) => message);
}

beforeEach(() => {
  server = new FakeServer();
  server.usageHeld = usageOf();
  load();
});

afterEach(() => {
  Notification.dismiss();
  sessionStorage.clear();
});

it('a cluster that fails is told of though the panel was never opened, and once', async () => {
  server.compute.held = [cluster('a', { title: 'Mine', state: 'failed', reason: 'Out of memory.' })];
  hear({ name: 'a', state: 'failed', previous: 'running', at: HEARD });
  await vi.waitFor(() => expect(shown()).toEqual(['Cluster Mine failed: Out of memory.']));
  Notification.dismiss();
  load();
  hear({ name: 'a', state: 'failed', previous: 'running', at: LATER });
  await vi.waitFor(() => expect(lists()).toBe(2));
  expect(shown()).toEqual([]);
});

it('a change that was missed is asked for once the limits tell of it, and nothing is asked before', async () => {
  await usage.refresh(true);
  expect(server.compute.asked).toEqual([]);
  server.compute.held = [cluster('a', { title: 'Mine', capped: 'Limit reached.' })];
  server.usageHeld = usageOf({ clusters_told_at: HEARD });
  await usage.refresh(true);
  await vi.waitFor(() => expect(shown()).toEqual(['Cluster Mine has fewer workers than it wants: Limit reached.']));
});

it('other events ask for nothing', async () => {
  hear({ schema_id: 'https://events.perijove.dev/notice/v1', name: 'a', at: HEARD });
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(server.compute.asked).toEqual([]);
});
