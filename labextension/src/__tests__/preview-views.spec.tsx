import './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tell } from '../preview/image';
import { CUT_DELAY_MILLISECONDS, PreviewModel, REFINE_DELAY_MILLISECONDS } from '../preview/model';
import PreviewView from '../preview/view';
import { fileOf, IMAGE, LINE, MAP, tableOf } from './fixtures';
import { FakeServer } from './support';
import type { IImagePreview } from '../wire';

const trans = nullTranslator.load('perijove');
const nothing = () => undefined;

const WHOLE_PART = {
  columns: 1024,
  rows: 1024,
  x: 0,
  y: 0,
  width: 1024,
  height: 1024,
  upward: true,
  partial: false
};
const LARGE: IImagePreview = {
  ...IMAGE,
  content: { ...IMAGE.content, shape: [1024, 1024], width: 256, height: 256, limits: [0, 5], part: WHOLE_PART }
};
const partOfLarge: IImagePreview = {
  ...LARGE,
  content: {
    ...LARGE.content,
    width: 192,
    height: 144,
    part: { ...WHOLE_PART, x: 416, y: 448, width: 192, height: 144 }
  }
};

/** What jsdom has not. */
class FingerEvent extends MouseEvent {
  readonly pointerId: number;

  constructor(type: string, { pointerId = 0, ...init }: PointerEventInit = {}) {
    super(type, init);
    this.pointerId = pointerId;
  }
}
window.PointerEvent ??= FingerEvent as typeof PointerEvent;

let server: FakeServer;
let model: PreviewModel;

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(480);
  vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(640);
  HTMLElement.prototype.scrollTo = nothing;
  URL.createObjectURL = () => 'blob:picture';
  URL.revokeObjectURL = nothing;
  server = new FakeServer();
  model = new PreviewModel(server, 'demo', 'a');
});

afterEach(() => {
  cleanup();
  model.dispose();
  vi.useRealTimers();
});

/** Shows what the server holds, once the view's own code is here. */
async function show(preview: FakeServer['previewHeld']): Promise<void> {
  server.previewHeld = preview;
  render(<PreviewView model={model} onInsertCode={nothing} onCopyPath={nothing} trans={trans} />);
  await act(() => model.load());
  await vi.waitFor(() => expect(screen.queryByText('Loading…')).toBeNull());
}

async function click(name: string): Promise<void> {
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name }));
    await Promise.resolve();
  });
}

const options = () =>
  JSON.parse(
    server.asked
      .filter(call => call.startsWith('preview'))
      .at(-1)!
      .slice(15)
  ) as unknown;

describe('A text', () => {
  const TEXT = { bytes_read: 7, requests: 1, kind: 'text' as const, format: 'Text', title: 'a' };

  it('says of how much it is the beginning', async () => {
    await show({ ...TEXT, content: { text: 'first line', truncated: true, total_bytes: 2048 } });

    expect(screen.getByText('This is the beginning of a text of 2.00 KiB.')).toBeDefined();
  });

  it('of unknown length is only called a beginning, and what is to be known of it is said', async () => {
    const note = 'This file is compressed as a whole.';
    await show({ ...TEXT, content: { text: 'first line', truncated: true, total_bytes: null, note } });

    expect(screen.getByText('This is the beginning of a text.')).toBeDefined();
    expect(screen.getByText(note)).toBeDefined();
  });
});

describe('a table', () => {
  it('shows names, types, units and values, and numbers its rows from 1', async () => {
    await show(tableOf(0, 100, 250));
    const heads = screen.getAllByRole('columnheader').map(cell => cell.textContent);
    expect(heads).toEqual(['Row#', 'idint64', 'rafloat64 [deg]', 'namestring']);
    const cells = screen.getAllByRole('row')[2].children;
    expect([...cells].map(cell => cell.textContent)).toEqual(['2', '1', '0.3333333333333333', 'none']);
    expect(screen.getByText('rows 1–100 of 250')).toBeTruthy();
    expect(screen.getByRole('table').getAttribute('aria-rowcount')).toBe('251');
  });

  it('keeps few rows in the page', async () => {
    await show(tableOf(0, 200, 1_000_000_000));
    expect(screen.getAllByRole('row').length).toBeLessThan(60);
  });

  it('goes to the next page, back, to the first and to any row', async () => {
    await show(tableOf(0, 100, 250));
    server.previewHeld = tableOf(100, 100, 250);
    await click('Next rows');
    expect(options()).toEqual({ first_row: 100 });
    expect(screen.getByText('rows 101–200 of 250')).toBeTruthy();
    await click('Previous rows');
    expect(options()).toEqual({ first_row: 0 });
    const field = screen.getByRole('spinbutton', { name: 'Go to row' });
    fireEvent.change(field, { target: { value: '9999' } });
    await act(async () => {
      fireEvent.submit(field.closest('form')!);
      await Promise.resolve();
    });
    expect(options()).toEqual({ first_row: 249 });
  });

  it('begins at its first row when another unit of the file is chosen', async () => {
    const hdus = IMAGE.content.hdus!;
    await show({ ...tableOf(100, 100, 250), content: { ...tableOf(100, 100, 250).content, hdu: 1, hdus } });
    await act(() => model.setOptions({ first_row: 100 }));
    await act(async () => {
      fireEvent.change(screen.getByRole('combobox', { name: 'HDU' }), { target: { value: '0' } });
      await Promise.resolve();
    });
    expect(options()).toEqual({ hdu: 0 });
  });

  it('tells more of columns and table on demand', async () => {
    await show(tableOf(0, 1, null));
    expect(screen.getByText('rows 1–1; how many there are is not known')).toBeTruthy();
    await click('About');
    expect(screen.getByText('int64: running number')).toBeTruthy();
    expect(screen.getByText('ESA')).toBeTruthy();
  });
});

describe('the parts of a file', () => {
  it('are an ARIA tree with type, shape and the attributes of the one that is drawn', async () => {
    await show(fileOf(MAP));
    const item = screen.getByRole('treeitem', { name: /t2m/ });
    expect(item.getAttribute('aria-level')).toBe('2');
    expect(item.getAttribute('aria-selected')).toBe('true');
    expect(item.textContent).toContain('float32 (24, 10, 20)');
    expect(screen.getByText('temperature at 2 m')).toBeTruthy();
    expect(screen.getByText('unit: K, drawn from 250.5 to 310.25')).toBeTruthy();
    expect(screen.getByRole('img', { name: '/t2m, drawn as a picture' })).toBeTruthy();
  });

  it('are drawn when they are chosen, by the keyboard too; a group is told of without a request', async () => {
    await show(fileOf(MAP));
    server.previewHeld = fileOf(LINE);
    screen.getByRole('treeitem', { name: /t2m/ }).focus();
    const asked = server.asked.length;
    fireEvent.keyDown(document.activeElement!, { key: 'ArrowUp' });
    await vi.waitFor(() => expect(document.activeElement?.textContent).toContain('time'));
    expect(server.asked).toHaveLength(asked);
    await act(async () => {
      fireEvent.keyDown(document.activeElement!, { key: 'Enter' });
      await Promise.resolve();
    });
    expect(options()).toEqual({ node: '/time' });
    expect(await screen.findByRole('figure', { name: /hours of \/time over time, 3 points/ })).toBeTruthy();
    const before = server.asked.length;
    fireEvent.click(screen.getAllByRole('treeitem')[0]);
    expect(server.asked).toHaveLength(before);
  });

  it('are cut elsewhere after a pause in the moving, and then asked for once', async () => {
    await show(fileOf(MAP));
    vi.useFakeTimers();
    const slider = screen.getByRole('slider', { name: 'time, from 0 to 23' });
    const asked = server.asked.length;
    fireEvent.change(slider, { target: { value: '5' } });
    fireEvent.change(slider, { target: { value: '7' } });
    expect(screen.getByRole<HTMLInputElement>('spinbutton', { name: 'time, as a number' }).value).toBe('7');
    expect(server.asked).toHaveLength(asked);
    await act(() => vi.advanceTimersByTimeAsync(CUT_DELAY_MILLISECONDS));
    expect(server.asked.slice(asked).filter(call => call.startsWith('preview'))).toHaveLength(1);
    expect(options()).toEqual({ node: '/t2m', index: [7] });
  });

  it('have coastlines over a map, which can be taken away', async () => {
    await show(fileOf(MAP));
    await vi.waitFor(() => expect(document.querySelector('.pj-Coast')).toBeTruthy());
    await click('Coastlines');
    expect(document.querySelector('.pj-Coast')).toBeNull();
  });

  it('say so when nothing can be drawn', async () => {
    await show(fileOf(null));
    expect(screen.getByText('Nothing of this can be drawn. Insert code to open it.')).toBeTruthy();
  });
});

describe('an image', () => {
  it('tells pixel and position under a cross that the arrow keys move', async () => {
    await show(IMAGE);
    const figure = screen.getByRole('figure');
    fireEvent.keyDown(figure, { key: 'ArrowRight' });
    expect(screen.getByText('pixel x 8, y 7 (from 0)')).toBeTruthy();
    expect(screen.getByText(/^ICRS 149\.4.*° \+2\.4/)).toBeTruthy();
    expect(screen.getByText(/^09h57m.*s \+02°2/)).toBeTruthy();
  });

  it('without coordinates tells the pixel alone, and shows no empty parts', async () => {
    const { url, width, height, shape } = IMAGE.content;
    await show({ ...IMAGE, content: { url, width, height, shape } });
    fireEvent.keyDown(screen.getByRole('figure'), { key: 'ArrowRight' });
    expect(document.querySelector('.pj-Picture-readout')?.textContent).toBe('pixel x 8, y 8 (from 0)');
    expect(screen.queryByRole('combobox')).toBeNull();
    expect(screen.queryByRole('button', { name: 'Header' })).toBeNull();
  });

  it('gets sharper where one looks, after a pause, and tells of it and of all that was moved', async () => {
    await show(LARGE);
    vi.useFakeTimers();
    const figure = screen.getByRole('figure');
    server.previewHeld = partOfLarge;
    for (let times = 0; times < 3; times += 1) {
      fireEvent.keyDown(figure, { key: '+' });
    }
    expect(server.asked.filter(call => call.startsWith('preview'))).toHaveLength(1);
    await act(() => vi.advanceTimersByTimeAsync(REFINE_DELAY_MILLISECONDS));
    expect(options()).toEqual({ window: [416, 448, 192, 144], limits: [0, 5] });
    expect(document.querySelectorAll('.pj-Picture-stage img')).toHaveLength(2);
    expect(screen.getByText(/KiB moved in 4 requests$/)).toBeTruthy();
    expect(screen.getByText(/^\d+% · sharp$/)).toBeTruthy();
    // the same is not asked for again, and all of it needs no part
    fireEvent.keyDown(figure, { key: 'ArrowRight', shiftKey: true });
    await act(() => vi.advanceTimersByTimeAsync(REFINE_DELAY_MILLISECONDS));
    expect(server.asked.filter(call => call.startsWith('preview'))).toHaveLength(2);
    fireEvent.click(screen.getByRole('button', { name: 'Whole picture (0)' }));
    expect(document.querySelectorAll('.pj-Picture-stage img')).toHaveLength(1);
  });

  it('tells positions by the grid over the sharper part where one looks', () => {
    const sky = IMAGE.content.sky!;
    const part = { ...WHOLE_PART, x: 512, y: 512, width: 100, height: 100 };
    const corners = {
      longitude: [
        [150, 149],
        [150, 149]
      ],
      latitude: [
        [-3, -3],
        [-4, -4]
      ]
    };
    const fine = { window: part, part, width: 8, height: 8, url: '', sky: { ...sky, ...corners }, note: null };
    const at = (x: number, y: number) => tell(LARGE.content, WHOLE_PART, fine, { x, y }, trans);
    expect(at(512, 512).slice(0, 2)).toEqual(['pixel x 512, y 511 (from 0)', 'ICRS 150.00000° −3.00000°']);
    expect(at(0, 0).slice(0, 2)).toEqual(['pixel x 0, y 1023 (from 0)', 'ICRS 150.00000° +3.00000°']);
  });

  it('is zoomed by buttons, wheel, double click and dragging', async () => {
    await show(LARGE);
    const stage = document.querySelector<HTMLElement>('.pj-Picture-stage')!;
    const left = () => parseFloat(stage.querySelector('img')!.style.width);
    const before = left();
    fireEvent.click(screen.getByRole('button', { name: 'Zoom in (+)' }));
    expect(left()).toBeCloseTo(2 * before);
    fireEvent.doubleClick(stage, { clientX: 300, clientY: 200 });
    expect(left()).toBeCloseTo(4 * before);
    fireEvent.wheel(stage, { deltaY: 100 });
    expect(left()).toBeLessThan(4 * before);
    const x = parseFloat(stage.querySelector('img')!.style.left);
    fireEvent.pointerDown(stage, { pointerId: 1, button: 0, clientX: 100, clientY: 100 });
    fireEvent.pointerMove(stage, { pointerId: 1, clientX: 90, clientY: 100 });
    fireEvent.pointerUp(stage, { pointerId: 1 });
    expect(parseFloat(stage.querySelector('img')!.style.left)).toBeCloseTo(x - 10);
    fireEvent.keyDown(screen.getByRole('figure'), { key: '0' });
    expect(left()).toBeCloseTo(before);
  });
});
