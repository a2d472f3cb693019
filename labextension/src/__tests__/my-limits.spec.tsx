import { nullTranslator } from '@jupyterlab/translation';
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { statusLine } from '../usage/line';
import { UsageModel } from '../usage/model';
import { MyLimits } from '../usage/panel';
import type { IUsage } from '../wire';
import { FakeServer, lease, quota, settle, usageOf } from './support';

const trans = nullTranslator.load('perijove');
const HOSTILE = '<img src=x onerror=alert(1)>';

let server: FakeServer;
let model: UsageModel;
const keep = vi.fn<(minutes: number) => Promise<void>>();
const close = vi.fn();

beforeEach(() => {
  server = new FakeServer();
  model = new UsageModel(server);
  keep.mockReset().mockResolvedValue();
  close.mockReset();
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

async function show(usage: IUsage): Promise<HTMLElement> {
  server.usageHeld = usage;
  await model.refresh(true);
  const actions = { keep, cleanUpUrl: '/user/x/perijove/cleanup' };
  return render(<MyLimits model={model} trans={trans} actions={actions} onClose={close} />).container;
}

function inMinutes(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toISOString();
}

describe('my limits', () => {
  it('lists what is held at once and what is used over time', async () => {
    await show(
      usageOf({
        quotas: [
          quota('two-labs', 1, 2, { unit: 'sessions', subject: 'user:ana' }),
          quota('gpu', 30, 40, { unit: 'GPU hours', window: 'month', reserved: 10, state: 'warning' })
        ]
      })
    );
    const headings = screen.getAllByRole('heading', { level: 3 });
    expect(headings.map(({ textContent }) => textContent)).toEqual(['At once', 'Over time']);
    const overTime = within(headings[1].parentElement!);
    expect(overTime.getByText('Nearly full: 30 of 40 GPU hours')).toBeTruthy();
    expect(overTime.getByText('10 of it is held for what runs now.')).toBeTruthy();
    const parts = [...headings[1].parentElement!.querySelectorAll<HTMLElement>('.pj-Meter > div')];
    expect(parts.map(({ style }) => style.width)).toEqual(['50%', '25%']);
  });

  it('tells of the session, and keeps it on', async () => {
    const session = lease({ cost_hour: 0.12, ends_at: inMinutes(8), keeps_left: 2 });
    await show(usageOf({ lease: session }));
    expect(screen.getByText('This session runs at esac.')).toBeTruthy();
    expect(screen.getByText('It holds demo')).toBeTruthy();
    expect(screen.getByText('Cost: 0.12 EUR per hour, 0.50 EUR so far')).toBeTruthy();
    expect(screen.getByText(/^Ends .*\(in 8 min\): its time is over then\.$/)).toBeTruthy();

    const button = screen.getByRole('button', { name: 'Keep 30 minutes' });
    let finish = () => {};
    keep.mockReturnValue(new Promise(resolve => (finish = resolve)));
    fireEvent.click(button);
    expect(button.getAttribute('aria-busy')).toBe('true');
    fireEvent.click(button);
    await act(async () => {
      finish();
      await settle();
    });
    expect(button.getAttribute('aria-busy')).toBe('false');
    expect(keep).toHaveBeenCalledExactlyOnceWith(30);
  });

  it('counts down while nothing else happens', async () => {
    vi.useFakeTimers();
    await show(usageOf({ lease: lease({ idle_stop_at: inMinutes(8) }) }));
    expect(screen.getByText(/\(in 8 min\) unless something runs in it\.$/)).toBeTruthy();
    act(() => {
      vi.advanceTimersByTime(2 * 60_000);
    });
    expect(screen.getByText(/\(in 6 min\) unless something runs in it\.$/)).toBeTruthy();
  });

  it('offers nothing that cannot be done', async () => {
    await show(usageOf({ lease: lease({ quota_stop_at: inMinutes(8) }), pages: null }));
    expect(screen.getAllByRole('button').map(({ textContent }) => textContent)).toEqual(['Close']);
    expect(screen.queryByRole('link')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Close' }));
    expect(close).toHaveBeenCalledOnce();
  });

  it('leads to the usage, to the last failed start, and to the cleanup of a full home', async () => {
    await show(usageOf({ quotas: [quota('home', 45, 50, { resource: 'home_gib', state: 'warning' })] }));
    const links = screen.getAllByRole('link').map(link => [link.textContent, link.getAttribute('href')]);
    expect(links).toEqual([
      ['Clean up my home', '/user/x/perijove/cleanup'],
      ['My usage over time', '/services/perijove/usage'],
      ['Why did my last start fail?', '/services/perijove/starts']
    ]);
  });

  it('says when there is nothing to say', async () => {
    await show(usageOf());
    expect(screen.getByText('No limits are set for you.')).toBeTruthy();
    server.trouble = 'Control is away.';
    await act(async () => {
      await model.refresh(true).catch(() => undefined);
    });
    expect(screen.getByText(/^The platform does not say now/)).toBeTruthy();
  });

  it('shows what comes from outside as text', async () => {
    const hostile = quota(HOSTILE, 1, 2, { unit: HOSTILE, subject: `group:${HOSTILE}`, override: HOSTILE });
    const session = lease({ site: HOSTILE, explanation: { summary: HOSTILE } });
    const container = await show(usageOf({ quotas: [hostile], lease: session, pages: 'javascript:alert(1)//' }));
    expect(container.querySelector('img')).toBeNull();
    expect(container.textContent).toContain(`This session runs at ${HOSTILE}.`);
    expect(screen.queryByRole('link')).toBeNull();
  });
});

describe('the status bar', () => {
  async function line(usage: IUsage, noticeMinutes = 10) {
    server.usageHeld = usage;
    await model.refresh(true);
    model.noticeMinutes = noticeMinutes;
    return statusLine(model, Date.now(), trans)!;
  }

  it('shows the tightest limit', async () => {
    const usage = usageOf({ quotas: [quota('sessions', 1, 2)], lease: lease({ ends_at: inMinutes(90) }) });
    expect(await line(usage)).toMatchObject({ icon: 'ok', text: '1 of 2 sessions' });
  });

  it('shows the end instead when it is near, and follows the setting', async () => {
    const usage = usageOf({ quotas: [quota('sessions', 2, 2)], lease: lease({ ends_at: inMinutes(20) }) });
    expect(await line(usage)).toMatchObject({ icon: 'ok', text: '2 of 2 sessions' });
    expect(await line(usage, 30)).toMatchObject({ icon: 'end', text: 'Ends in 20 min' });
  });

  it('is there without limits, and says nothing when nobody knows', async () => {
    expect(await line(usageOf())).toEqual({ icon: 'ok', text: 'My limits', hint: '' });
    expect(statusLine(new UsageModel(server), Date.now(), trans)).toBeNull();
  });
});
