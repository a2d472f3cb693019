/** What JupyterLab's modules want of a browser and jsdom has not; to be imported before them. */

globalThis.DragEvent = class extends MouseEvent {} as typeof DragEvent;
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
window.matchMedia = () => ({ matches: false, addEventListener() {} }) as unknown as MediaQueryList;
window.requestIdleCallback = callback => window.setTimeout(callback);
