import './browser';
import { ServerConnection } from '@jupyterlab/services';
import { beforeEach, describe, expect, it } from 'vitest';
import { ENTRIES_MAX, PerijoveDrive } from '../drive/drive';
import { FILE_MAX_BYTES } from '../drive/models';
import { dataset, entries, FakeServer } from './support';

const bytes = (text: string) => new TextEncoder().encode(text);

let server: FakeServer;
let drive: PerijoveDrive;

beforeEach(() => {
  server = new FakeServer();
  server.folders = { 'demo/': entries('', ['a/', 'a', 'book.ipynb', 'data.csv']), 'demo/a': entries('a/', ['b.txt']) };
  server.objects = {
    'demo/data.csv': bytes('x,y\n1,é\n'),
    'demo/book.ipynb': bytes('{"cells": []}'),
    'demo/a/b.bin': new Uint8Array(100_000).fill(255)
  };
  drive = new PerijoveDrive(server, ServerConnection.makeSettings());
});

const names = async (path: string) => {
  const content = (await drive.get(path)).content as { name: string; type: string }[];
  return content.map(({ name, type }) => `${name} ${type}`);
};

describe('the drive of datasets', () => {
  it('has datasets as folders, without those that cannot be read', async () => {
    server.datasetsHeld = [dataset('demo', 'Demo'), { ...dataset('secret', 'Secret'), readable: false }];
    expect(await names('')).toEqual(['demo directory']);
    expect(await names('/demo/')).toEqual(['a directory', 'book.ipynb notebook', 'data.csv file']);
    expect(await names('demo/a')).toEqual(['b.txt file']);
  });

  it('cuts a large folder and says so', async () => {
    const many = Array.from({ length: ENTRIES_MAX + 1 }, (_, index) => `f${index}`);
    server.folders['demo/'] = entries('', many);
    expect(await names('demo')).toHaveLength(ENTRIES_MAX);
    expect(drive.isCut('/demo/')).toBe(true);
    expect(server.asked).toHaveLength(1);
    drive.setPrefix('demo', 'f99');
    expect(await names('demo')).toHaveLength(11);
    expect(drive.isCut('demo')).toBe(false);
    expect(server.asked.at(-1)).toBe('tree demo/?f99@0');
  });

  it('lists a folder by what was typed last, also while it was being listed', async () => {
    server.folders['demo/'] = entries('', ['f1.txt', 'f2.txt', 'g1.txt']);
    const listing = names('demo');
    drive.setPrefix('demo', 'g');
    expect(await listing).toEqual(['g1.txt file']);
    expect(server.asked).toEqual(['tree demo/@0', 'tree demo/?g@0']);
  });

  it('asks nobody whether a folder that it was told of is a file', async () => {
    server.trouble = 'The store refuses.';
    await expect(drive.get('demo/a')).rejects.toThrow('The store refuses.');
    server.trouble = null;
    server.asked = [];
    drive.knowFolder('demo/a/b');
    expect(await names('demo/a')).toEqual(['b.txt file']);
    expect(await drive.get('demo/a/b', { content: false })).toMatchObject({ type: 'directory' });
    expect(server.asked).toEqual(['tree demo/a@0']);
  });

  it('gives text, notebooks and bytes as they are asked for', async () => {
    const table = await drive.get('demo/data.csv', { type: 'file', format: 'text' });
    expect(table).toMatchObject({ path: 'demo/data.csv', content: 'x,y\n1,é\n', format: 'text', writable: false });
    const book = await drive.get('demo/book.ipynb', { type: 'notebook', format: 'json' });
    expect(book).toMatchObject({ type: 'notebook', content: { cells: [] }, format: 'json' });
    const guessed = await drive.get('demo/a/b.bin');
    expect(guessed).toMatchObject({ type: 'file', format: 'base64', size: 100_000 });
    expect(atob(guessed.content as string)).toHaveLength(100_000);
    await expect(drive.get('demo/a/b.bin', { format: 'text' })).rejects.toThrow('is not text in UTF-8');
    await expect(drive.get('demo/data.csv', { type: 'notebook' })).rejects.toThrow('is not valid JSON');
  });

  it('asks for no bytes when they are not wanted, and for a listed file not at all', async () => {
    expect(await drive.get('demo/data.csv', { content: false })).toMatchObject({ size: 9, content: null });
    expect(server.asked).toEqual(['head demo/data.csv']);
    await drive.get('demo');
    const asked = server.asked.length;
    await drive.get('demo/data.csv', { content: false });
    expect(server.asked).toHaveLength(asked);
  });

  it('refuses a large file before a byte of it is moved, with its size and what opens it', async () => {
    server.folders['demo/'] = [{ ...entries('', ['huge.csv'])[0], size_bytes: FILE_MAX_BYTES * 100 }];
    await drive.get('demo');
    await expect(drive.get('demo/huge.csv')).rejects.toThrow(
      'huge.csv has 1.95 GiB, and files of up to 20.0 MiB open here. ' +
        'Read it in a notebook with perijove.open("demo/huge.csv").'
    );
    // an index of a web server may list names without sizes
    server.folders['demo/'] = [{ ...entries('', ['wide.csv'])[0], size_bytes: null }];
    server.objects['demo/wide.csv'] = new Uint8Array(FILE_MAX_BYTES + 1);
    await drive.get('demo');
    await expect(drive.get('demo/wide.csv')).rejects.toThrow('wide.csv has 20.0 MiB, and files of up to 20.0 MiB');
    expect(server.asked.filter(call => call.startsWith('file'))).toEqual([]);
  });

  it('changes nothing', async () => {
    const changes = [drive.save(), drive.delete(), drive.rename(), drive.newUntitled(), drive.copy()];
    for (const change of changes) {
      await expect(change).rejects.toThrow('Datasets can only be read here');
    }
    expect(await drive.listCheckpoints()).toEqual([]);
  });
});
