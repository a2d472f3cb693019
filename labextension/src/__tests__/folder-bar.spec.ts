import './browser';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { act, fireEvent, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENTRIES_MAX, PerijoveDrive } from '../drive/drive';
import { FolderBar } from '../drive/folder-bar';
import { entries, FakeServer, settle } from './support';

let server: FakeServer;
let drive: PerijoveDrive;
let bar: FolderBar;

beforeEach(async () => {
  server = new FakeServer();
  const many = Array.from({ length: ENTRIES_MAX + 1 }, (_, index) => `f${index}`);
  server.folders = { 'demo/': entries('', many), 'big/': entries('', ['a']) };
  drive = new PerijoveDrive(server, ServerConnection.makeSettings());
  const model = { path: 'perijove:demo', refresh: async () => void (await drive.get('demo')) };
  const pathChanged = new Signal<typeof model, never>(model);
  bar = new FolderBar(drive, { ...model, pathChanged } as never, nullTranslator.load('perijove'));
  Widget.attach(bar, document.body);
  await drawn(() => drive.get('big'));
});

afterEach(() => bar.dispose());

async function drawn(change: () => unknown): Promise<void> {
  await act(async () => {
    await change();
    MessageLoop.flush();
    await settle();
  });
}

describe('the bar above the names of a folder', () => {
  it('is there where a folder is cut', async () => {
    expect(bar.isHidden).toBe(true);
    await drawn(() => drive.get('demo'));
    expect(bar.isHidden).toBe(false);
    expect(screen.getByRole('status').textContent).toContain('The first 1,000 names of many');
  });

  it('loses no letter of those that come before it is drawn, and lists what was typed last', async () => {
    await drawn(() => drive.get('demo'));
    const field = screen.getByRole<HTMLInputElement>('searchbox', { name: 'Names begin with' });
    fireEvent.change(field, { target: { value: 'f9' } });
    expect(field.value).toBe('f9');
    fireEvent.change(field, { target: { value: `${field.value}9` } });
    await vi.waitFor(() => expect(server.asked.at(-1)).toBe('tree demo/?f99@0'));
    await drawn(settle);
    expect(screen.getByRole('status').textContent).toBe('Names that begin with “f99” are shown.');
  });
});
