import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PreviewModel, REFINE_DELAY_MILLISECONDS } from '../preview/model';
import { IMAGE } from './fixtures';
import { FakeServer, settle } from './support';

const PART = { columns: 16, rows: 16, x: 1, y: 0, width: 4, height: 4, upward: true, partial: false };

let server: FakeServer;
let live: Set<string>;

beforeEach(() => {
  server = new FakeServer();
  server.previewHeld = IMAGE;
  live = new Set();
  let count = 0;
  URL.createObjectURL = vi.fn(() => {
    const url = `blob:${(count += 1)}`;
    live.add(url);
    return url;
  });
  URL.revokeObjectURL = vi.fn((url: string) => live.delete(url));
});

describe('a preview', () => {
  it('loads the picture that the answer names', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits', { stretch: 'asinh' });
    await model.load();
    expect(server.asked).toEqual([
      'preview demo/a.fits {"stretch":"asinh"}',
      'picture datasets/demo/preview/image?path=a.fits'
    ]);
    expect(model.pictureUrl).toBe('blob:1');
    expect(model.loading).toBe(false);
  });

  it('keeps the old picture until the new one is here, then frees it', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits');
    await model.load();
    const drawing = model.setOptions({ stretch: 'log' });
    expect(model.loading).toBe(true);
    expect(model.pictureUrl).toBe('blob:1');
    await drawing;
    expect([...live]).toEqual(['blob:2']);
    model.dispose();
    expect(live.size).toBe(0);
  });

  it('shows the last way of drawing that was asked for, however the answers come', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits');
    const first = model.setOptions({ colormap: 'viridis' });
    const second = model.setOptions({ colormap: 'inferno' });
    await Promise.all([first, second]);
    expect(server.signals[0].aborted).toBe(true);
    expect(model.options).toEqual({ colormap: 'inferno' });
    expect(live.size).toBe(1);
  });

  it('tells what went wrong and recovers', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits');
    server.trouble = 'There is no object a.fits.';
    await model.load();
    expect(model.error).toBe('There is no object a.fits.');
    server.trouble = null;
    await model.load();
    expect(model.error).toBe('');
    expect(model.preview).toBe(IMAGE);
  });

  it('keeps the list of units while a unit without an image shows as text', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits');
    await model.load();
    server.previewHeld = {
      ...IMAGE,
      kind: 'text',
      content: { text: 'XTENSION= BINTABLE', truncated: false, total_bytes: 18 }
    };
    await model.setOptions({ hdu: 1 });
    expect(model.hdu).toBe(1);
    expect(model.hdus.map(hdu => hdu.index)).toEqual([0, 1]);
    expect(model.pictureUrl).toBeNull();
  });

  it('has the units of a file that begins with the header of one', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits.gz');
    const hdus = [0, 1].map(index => ({ index, name: '', type: 'IMAGE', shape: null }));
    server.previewHeld = {
      ...IMAGE,
      kind: 'text',
      content: { text: 'SIMPLE  = T', truncated: false, total_bytes: 11, hdu: 1, hdus }
    };
    await model.load();
    expect(model.hdu).toBe(1);
    expect(model.hdus).toEqual(hdus);
  });

  it('leaves nothing behind when it is closed while loading', async () => {
    const model = new PreviewModel(server, 'demo', 'a.fits');
    void model.load();
    model.dispose();
    await settle();
    expect(live.size).toBe(0);
    expect(model.preview).toBeNull();
  });

  it('asks for the last window only, and gives up the one before', async () => {
    vi.useFakeTimers();
    const model = new PreviewModel(server, 'demo', 'a.fits');
    await model.load();
    server.previewHeld = { ...IMAGE, kept: true, content: { ...IMAGE.content, part: PART } };
    model.refine({ x: 0, y: 0, width: 4, height: 4 });
    model.refine({ x: 1, y: 0, width: 4, height: 4 });
    await vi.advanceTimersByTimeAsync(REFINE_DELAY_MILLISECONDS);
    expect(model.refined?.window).toEqual({ x: 1, y: 0, width: 4, height: 4 });
    expect(server.asked.filter(call => call.startsWith('preview'))).toHaveLength(2);
    expect(model.moved).toEqual({ bytes: 2048, requests: 4, kept: false });
    expect(live.size).toBe(2);
    model.refine({ x: 2, y: 0, width: 4, height: 4 });
    vi.advanceTimersByTime(REFINE_DELAY_MILLISECONDS);
    model.refine(null);
    expect(server.signals.at(-1)!.aborted).toBe(true);
    expect(live.size).toBe(1);
    vi.useRealTimers();
  });

  it('keeps what is shown when a part does not come, and says why', async () => {
    vi.useFakeTimers();
    const model = new PreviewModel(server, 'demo', 'a.fits');
    await model.load();
    server.trouble = 'The store does not answer.';
    model.refine({ x: 0, y: 0, width: 4, height: 4 });
    await vi.advanceTimersByTimeAsync(REFINE_DELAY_MILLISECONDS);
    expect([model.refineError, model.error, model.awaited]).toEqual(['The store does not answer.', '', null]);
    server.trouble = null;
    await model.setOptions({ stretch: 'log' });
    expect([model.refineError, model.refined, model.pictureUrl]).toEqual(['', null, 'blob:2']);
    vi.useRealTimers();
  });

  it('asks for a part of what is shown after another plane did not come', async () => {
    vi.useFakeTimers();
    const model = new PreviewModel(server, 'demo', 'a.fits', { hdu: 0 });
    await model.load();
    server.trouble = 'There is no unit 1.';
    await model.setOptions({ hdu: 1 });
    const window = { x: 0, y: 0, width: 4, height: 4 };
    model.refine(window);
    expect(model.awaited).toEqual(window);
    await vi.advanceTimersByTimeAsync(REFINE_DELAY_MILLISECONDS);
    expect(server.asked.at(-1)).toContain('"hdu":0');
    vi.useRealTimers();
  });

  it('forgets where another node was cut', async () => {
    const model = new PreviewModel(server, 'demo', 'a.nc', { stretch: 'log' });
    model.cutAt('/t2m', [3]);
    await model.setOptions({ node: '/t2m' });
    expect(model.options).toEqual({ stretch: 'log', node: '/t2m', index: [3] });
    await model.setOptions({ node: '/time' });
    expect(model.options).toEqual({ stretch: 'log', node: '/time' });
  });
});
