import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../format';
import { canKeep, endsOf, endSoon } from '../usage/ends';
import { keepSession } from '../usage/keep';
import { UsageModel } from '../usage/model';
import { costText, endShortText, endText, keepsText, notesOf, scopeText } from '../usage/text';
import { FakeNotifier, FakeServer, lease, quota } from './support';

const trans = nullTranslator.load('perijove');
const NOW = Date.parse('2026-01-01T12:00:00Z');

function inMinutes(minutes: number): string {
  return new Date(NOW + minutes * 60_000).toISOString();
}

describe('the ends of a session', () => {
  it('come nearest first', () => {
    const stops = { idle_stop_at: inMinutes(8), quota_stop_at: inMinutes(20), allowed_stop_at: inMinutes(15) };
    const session = lease({ ends_at: inMinutes(90), ...stops });
    expect(endsOf(session).map(({ reason }) => reason)).toEqual(['idle', 'allowed', 'quota', 'time']);
    expect(endsOf(lease({ ends_at: null }))).toEqual([]);
    expect(endsOf(null)).toEqual([]);
  });

  it('are near from so many minutes before', () => {
    const session = lease({ ends_at: inMinutes(10) });
    expect(endSoon(session, NOW, 10)?.reason).toBe('time');
    expect(endSoon(session, NOW - 1, 10)).toBeNull();
    expect(endSoon(session, NOW + 3_600_000, 10)?.reason).toBe('time');
    expect(endSoon(lease(), NOW, 10)).toBeNull();
  });

  it('say in words when and why', () => {
    const at = NOW + 8 * 60_000;
    const when = `${formatTime(inMinutes(8))} (in 8 min)`;
    expect(endShortText({ reason: 'time', at }, NOW, trans)).toBe('Ends in 8 min');
    expect(endShortText({ reason: 'idle', at }, NOW, trans)).toBe('Idle: ends in 8 min');
    expect(endShortText({ reason: 'quota', at }, NOW, trans)).toBe('Limit used up: ends in 8 min');
    expect(endShortText({ reason: 'allowed', at }, NOW, trans)).toBe('Not allowed any more: ends in 8 min');
    expect(endText({ reason: 'time', at }, NOW, trans)).toBe(`Ends ${when}: its time is over then.`);
    expect(endText({ reason: 'idle', at }, NOW, trans)).toBe(`Ends ${when} unless something runs in it.`);
    expect(endText({ reason: 'quota', at }, NOW, trans)).toBe(
      `Ends ${when}: a limit is used up. This cannot be put off.`
    );
    expect(endText({ reason: 'allowed', at }, NOW, trans)).toBe(
      `Ends ${when}: you are no longer in the group that it needs. This cannot be put off.`
    );
  });

  it('can be put off while there are times left, and idleness always', () => {
    expect(canKeep(lease({ ends_at: inMinutes(5), keeps_left: 1 }))).toBe(true);
    expect(canKeep(lease({ ends_at: inMinutes(5), keeps_left: 0 }))).toBe(false);
    expect(canKeep(lease({ ends_at: inMinutes(5), keeps_left: 0, idle_stop_at: inMinutes(5) }))).toBe(true);
    expect(canKeep(lease({ quota_stop_at: inMinutes(5), keeps_left: 2 }))).toBe(false);
    expect([2, 1, 0].map(keeps_left => keepsText(lease({ ends_at: inMinutes(5), keeps_left }), trans))).toEqual([
      'The end of its time can be put off 2 times.',
      'The end of its time can be put off once more.',
      'The end of its time cannot be put off any more.'
    ]);
    expect(keepsText(lease(), trans)).toBe('');
  });
});

describe('a limit in words', () => {
  const end = '2026-12-01T00:00:00Z';

  it.each([
    [{ subject: 'user:ana' }, 'for you, at the same time'],
    [{ subject: 'user:ana', resource: 'home_gib' }, 'for you, in your home'],
    [
      { subject: 'group:euclid', window: 'month', window_end: end },
      `for group euclid, this month, starts again ${formatTime(end)}`
    ],
    [{ subject: 'class:a:b', window: 'day' }, 'for class a:b, today'],
    [{ subject: 'site:esac', window: '7d' }, 'for all at site esac, in the last 7 days'],
    [{ subject: 'platform', window: '24h' }, 'for the whole platform, in the last 24 hours'],
    [
      { subject: 'group:euclid', window: 'allocation', window_end: end },
      `for group euclid, granted, until ${formatTime(end)}`
    ],
    [{ window: 'year' }, 'per user, this year']
  ])('says whom and when %o counts for', (change, text) => {
    expect(scopeText(quota('x', 1, 2, change), undefined, trans)).toBe(text);
  });

  it('says what is held, when it will be used up, what happens then, and who changed it', () => {
    const changed = quota('x', 3, 4, {
      reserved: 1,
      empty_at: end,
      on_exhaustion: 'stop',
      override: '<b>boss</b> until tomorrow'
    });
    expect(notesOf(changed, trans)).toEqual([
      '1 of it is held for what runs now.',
      `Used up ${formatTime(end)} if what runs now goes on.`,
      'When it is used up, sessions are stopped.',
      'Changed: <b>boss</b> until tomorrow'
    ]);
    expect(notesOf(quota('x', 3, 4), trans)).toEqual([]);
  });

  it('tells the cost per hour where it is known', () => {
    expect(costText(lease(), 'EUR', trans)).toBe('0.50 EUR so far');
    expect(costText(lease({ cost_hour: 0.125 }), 'EUR', trans)).toBe('0.13 EUR per hour, 0.50 EUR so far');
    expect(costText(lease({ cost_hour: 0 }), null, trans)).toBe('0.00 per hour, 0.50 so far');
  });
});

describe('"Keep 30 minutes"', () => {
  it('tells the new end', async () => {
    const [server, notifier] = [new FakeServer(), new FakeNotifier()];
    server.leaseHeld = lease({ ends_at: new Date(Date.now() + 38 * 60_000).toISOString() });
    await keepSession(new UsageModel(server), 30, notifier, trans);
    expect(notifier.shown.map(({ type }) => type)).toEqual(['success']);
    expect(notifier.shown[0].message).toMatch(/^This session is kept\. Ends .*\(in 38 min\): its time is over then\.$/);
  });

  it('tells a refusal in the words of the platform', async () => {
    const [server, notifier] = [new FakeServer(), new FakeNotifier()];
    server.trouble = 'The end was put off twice already.';
    await keepSession(new UsageModel(server), 30, notifier, trans);
    expect(notifier.shown.map(({ type, message }) => [type, message])).toEqual([
      ['error', 'This session is not kept: The end was put off twice already.']
    ]);
  });
});
