import './browser';
import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageModel } from '../usage/model';
import { UsageStatus } from '../usage/status';
import { FakeServer, usageOf } from './support';

/** A click outside of the status bar, as on a notification or in the palette. */
function clickElsewhere(action: () => void): void {
  const button = document.body.appendChild(document.createElement('button'));
  button.addEventListener('click', action, { once: true });
  button.focus();
  button.click();
}

function popups(): Element[] {
  return [...document.querySelectorAll('[role=dialog]')];
}

let status: UsageStatus;
let button: HTMLButtonElement;

beforeEach(async () => {
  const server = new FakeServer();
  server.usageHeld = usageOf();
  const model = new UsageModel(server);
  await model.refresh();
  status = new UsageStatus(model, nullTranslator.load('perijove'), { keep: vi.fn(), cleanUpUrl: '/' });
  Widget.attach(status, document.body);
  button = await vi.waitUntil(() => status.node.querySelector('button'));
});

afterEach(() => {
  popups().forEach(popup => popup.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true })));
  status.dispose();
  document.body.replaceChildren();
});

describe('all limits', () => {
  it('are shown when they are asked for, and take the keyboard', async () => {
    clickElsewhere(() => status.showPopup());
    await vi.waitFor(() => expect(popups()).toEqual([document.activeElement]));
    expect(button.getAttribute('aria-expanded')).toBe('true');
  });

  it('stay when they are asked for and shown already', async () => {
    button.click();
    await vi.waitFor(() => expect(popups()).toEqual([document.activeElement]));
    const [popup] = popups();
    button.focus();
    status.showPopup();
    await vi.waitFor(() => expect(document.activeElement).toBe(popup));
    clickElsewhere(() => status.showPopup());
    await vi.waitFor(() => expect(popups()).toEqual([document.activeElement]));
    expect(button.getAttribute('aria-expanded')).toBe('true');
  });

  it('go at a second click on the button in the status bar', async () => {
    button.click();
    await vi.waitFor(() => expect(popups()).toEqual([document.activeElement]));
    button.click();
    expect(popups()).toEqual([]);
    expect([button.getAttribute('aria-expanded'), document.activeElement]).toEqual(['false', button]);
    button.click();
    expect(popups()).toHaveLength(1);
  });
});
