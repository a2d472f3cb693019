import { nullTranslator } from '@jupyterlab/translation';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { isPutOff, NoticeBoard, noticeOf } from '../notices/board';
import { FakeNotifier, lease, notice } from './support';

const trans = nullTranslator.load('perijove');
const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>';

let notifier: FakeNotifier;
let now: number;
const actions = { keep: vi.fn(), showLimits: vi.fn(), cleanUp: vi.fn(), read: vi.fn() };

function board(seen = { last: 0 }): NoticeBoard {
  return new NoticeBoard(notifier, actions, seen, trans, () => now);
}

function messages(): string[] {
  return notifier.shown.map(({ message }) => message);
}

beforeEach(() => {
  notifier = new FakeNotifier();
  now = Date.parse('2026-01-01T12:00:00Z');
  vi.resetAllMocks();
});

describe('a notice', () => {
  it('is shown once, whichever way it comes', () => {
    const shown = board();
    shown.offer([notice(2)], null);
    shown.offer([notice(1), notice(2), notice(3, { severity: 'error' })], null);
    expect(messages()).toEqual(['Notice 2', 'Notice 1', 'Notice 3']);
    expect(notifier.shown.map(({ type }) => type)).toEqual(['warning', 'warning', 'error']);
    // none of them was seen before: all as toasts
    expect(notifier.shown.every(({ options }) => options.autoClose === false)).toBe(true);
  });

  it('is text, as it came', () => {
    board().offer([notice(1, { message: HOSTILE })], null);
    expect(messages()).toEqual([HOSTILE]);
  });

  it('is not shown when it has run out, and is taken away then', () => {
    const shown = board();
    shown.offer([notice(1, { expires: '2026-01-01T12:00:00Z' }), notice(2, { expires: '2026-01-01T12:00:01Z' })], null);
    expect(messages()).toEqual(['Notice 2']);
    now += 1000;
    shown.offer([], null);
    shown.offer([], null);
    expect(notifier.dismissed).toEqual(['Notice 2']);
  });

  it('goes to the centre without a toast after a reload, unless something can be done about it', () => {
    const seen = { last: 0 };
    const given = [notice(1), notice(2, { topic: 'idle', keep_minutes: 30 })];
    board(seen).offer(given, null);
    notifier = new FakeNotifier();
    board(seen).offer([...given, notice(3)], null);
    expect(notifier.shown.map(({ options }) => options.autoClose)).toEqual([0, false, false]);
    expect(seen.last).toBe(3);
  });

  it('that only informs goes by itself', () => {
    board().offer([notice(1, { severity: 'info', topic: 'announcement' })], null);
    expect(notifier.shown[0].options).toMatchObject({ autoClose: 15_000, actions: [] });
  });

  it('can be acted upon', () => {
    const shown = board();
    shown.offer([notice(1, { topic: 'time', keep_minutes: 20 })], null);
    notifier.press('Keep 20 minutes');
    shown.offer([notice(2, { topic: 'quota' })], null);
    notifier.press('My limits');
    shown.offer([notice(3, { topic: 'storage' })], null);
    notifier.press('Clean up my home');
    shown.offer([notice(4, { topic: 'announcement', message: 'long '.repeat(40) })], null);
    notifier.press('Read all');
    expect(actions.keep).toHaveBeenCalledExactlyOnceWith(20);
    expect(actions.showLimits).toHaveBeenCalledOnce();
    expect(actions.cleanUp).toHaveBeenCalledOnce();
    expect(actions.read).toHaveBeenCalledExactlyOnceWith('long '.repeat(40));
  });

  it('of an end is taken away when the end was put off or something runs again', () => {
    const ends_at = '2026-01-01T12:10:00Z';
    const about = { expires: ends_at, lease: 'l', keep_minutes: 30 };
    const given = [notice(1, { ...about, topic: 'idle' }), notice(2, { ...about, topic: 'time' }), notice(3)];
    const shown = board();
    shown.offer(given, lease({ ends_at, idle_stop_at: ends_at }));
    expect(messages()).toEqual(['Notice 1', 'Notice 2', 'Notice 3']);
    shown.offer(given, lease({ ends_at, idle_stop_at: null }));
    expect(notifier.dismissed).toEqual(['Notice 1']);
    shown.offer(given, lease({ ends_at: '2026-01-01T12:40:00Z' }));
    expect(notifier.dismissed).toEqual(['Notice 1', 'Notice 2']);
    expect(messages()).toHaveLength(3);
  });

  it('is taken away when it was withdrawn, and shown again when it is said again', () => {
    const closure = notice(1, { topic: 'closure', expires: '2026-01-01T14:00:00Z', lease: 'l' });
    const shown = board();
    shown.offerAll([closure, notice(2)], lease());
    shown.offerAll([notice(2)], lease());
    shown.offerAll([notice(2)], lease());
    expect(notifier.dismissed).toEqual(['Notice 1']);
    shown.offerAll([closure, notice(2)], lease());
    expect(messages()).toEqual(['Notice 1', 'Notice 2', 'Notice 1']);
    shown.offerAll([], lease());
    expect(notifier.dismissed).toEqual(['Notice 1', 'Notice 2', 'Notice 1']);
  });

  it('that came as an event stays until a list that had it has it no longer', () => {
    const shown = board();
    shown.offerAll([notice(1)], null);
    shown.offer([notice(2)], null);
    shown.offerAll([notice(1)], null);
    expect(notifier.dismissed).toEqual([]);
    shown.offerAll([notice(1), notice(2)], null);
    shown.offer([notice(3)], null);
    shown.offerAll([notice(3)], null);
    expect(notifier.dismissed).toEqual(['Notice 1', 'Notice 2']);
    expect(messages()).toHaveLength(3);
  });

  it('of an end of another session is left alone', () => {
    const other = notice(1, { expires: '2026-01-01T12:10:00Z', lease: 'other', topic: 'idle', keep_minutes: 30 });
    expect(isPutOff(other, lease())).toBe(false);
    expect(isPutOff({ ...other, lease: 'l' }, lease())).toBe(true);
    expect(isPutOff({ ...other, lease: 'l' }, null)).toBe(false);
    expect(isPutOff({ ...other, lease: 'l', topic: 'quota' }, lease())).toBe(false);
  });
});

describe('an event', () => {
  it('is a notice when it has all of one', () => {
    expect(noticeOf({ ...notice(1), schema_id: 'x' })).toMatchObject({ id: 1, message: 'Notice 1' });
  });

  it.each([
    [{ id: '1' }],
    [{ message: { toString: 'x' } }],
    [{ severity: 'success' }],
    [{ keep_minutes: '30' }],
    [{ expires: 5 }],
    [{ message: undefined }]
  ])('with %o is none', change => {
    expect(noticeOf({ ...notice(1), ...change })).toBeNull();
  });
});
