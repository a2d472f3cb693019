import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // this one is not installed: at run time it comes from JupyterLab, as all of its packages do
    alias: { '@jupyterlab/running': fileURLToPath(new URL('src/__tests__/running.ts', import.meta.url)) }
  },
  test: {
    include: ['src/__tests__/**/*.spec.{ts,tsx}'],
    environment: 'jsdom',
    restoreMocks: true,
    // a machine under load is slow, not wrong
    testTimeout: 60_000
  }
});
