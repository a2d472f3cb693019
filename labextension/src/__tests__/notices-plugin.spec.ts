import './browser';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noticesPlugin } from '../notices/plugin';
import { UsageModel } from '../usage/model';
import type { INotice } from '../wire';
import { FakeServer, notice, settle, usageOf } from './support';

let server: FakeServer;
let usage: UsageModel;
let hear: (notice: INotice) => void;

function shown(): string[] {
  return Notification.manager.notifications.map(({ message }) => message).sort();
}

/** The server's list changes, and is asked for when its time comes. */
async function list(...notices: INotice[]): Promise<void> {
  server.usageHeld = usageOf({ notices });
  await usage.refresh(true);
}

beforeEach(async () => {
  server = new FakeServer();
  server.usageHeld = usageOf();
  usage = new UsageModel(server);
  const stream = new Signal<object, object>({});
  hear = told => stream.emit({ ...told, schema_id: 'https://events.perijove.dev/notice/v1' });
  const app = { commands: { execute: vi.fn() }, serviceManager: { events: { stream } }, restored: Promise.resolve() };
  void noticesPlugin.activate(app as unknown as JupyterFrontEnd, server, usage, null);
  await settle();
});

afterEach(() => {
  Notification.dismiss();
  sessionStorage.clear();
});

describe('what the platform says', () => {
  it('is shown when it comes as an event or in the list, and goes when it was taken back', async () => {
    await list(notice(1));
    server.usageHeld = usageOf({ notices: [notice(1), notice(2)] });
    hear(notice(2));
    expect(shown()).toEqual(['Notice 1', 'Notice 2']);
    await settle();
    await list(notice(1));
    expect(shown()).toEqual(['Notice 1']);
    await list();
    expect(shown()).toEqual([]);
  });

  it('stays while the server cannot tell what is in force', async () => {
    await list(notice(1));
    server.trouble = 'Control did not answer.';
    await expect(usage.refresh(true)).rejects.toThrow('Control did not answer.');
    expect([usage.usage, shown()]).toEqual([null, ['Notice 1']]);
    server.trouble = null;
    await list(notice(1));
    expect(shown()).toEqual(['Notice 1']);
  });
});
