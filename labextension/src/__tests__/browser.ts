/** What JupyterLab's modules want of a browser and jsdom has not; to be imported before them. */

import { vi } from 'vitest';

globalThis.DragEvent = class extends MouseEvent {} as typeof DragEvent;
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
/** Pixels of a panel's scroller, and of one row. */
export const HEIGHT_PIXELS = 480;
export const ROW_PIXELS = 24;

/** Lays out what is asked for its size, since jsdom lays nothing out; to be undone by `vi.restoreAllMocks`. */
export function layOut(): void {
  vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockImplementation(function (this: HTMLElement) {
    return this.classList.contains('pj-Tree-row') ? ROW_PIXELS : HEIGHT_PIXELS;
  });
  vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(240);
  HTMLElement.prototype.scrollTo = () => undefined;
}

HTMLElement.prototype.scrollIntoView = () => undefined;
window.matchMedia = () =>
  ({ matches: false, addEventListener() {}, addListener() {}, removeListener() {} }) as unknown as MediaQueryList;
window.requestIdleCallback = callback => window.setTimeout(callback);
