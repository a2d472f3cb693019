import { defineConfig } from '@playwright/test';

const ALONE = 'drain.spec.ts';

/**
 * The browser is the system's Chromium: nothing is downloaded, so no video (Playwright's own encoder would be needed).
 * Set CHROMIUM_PATH where it lives elsewhere.
 */
export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  // a machine that is half as fast as ours, with other work beside, shall pass too
  timeout: 180_000,
  expect: { timeout: 15_000 },
  // a whole platform runs beside the browser; two files of tests at a time, since one of them mostly waits. Each has a
  // user of its own.
  workers: 2,
  projects: [
    { name: 'together', testIgnore: ALONE },
    // what changes the platform for everybody would be in the way of others: when they are done. By itself: --no-deps
    { name: 'alone', testMatch: ALONE, dependencies: ['together'] }
  ],
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    viewport: { width: 1280, height: 800 },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    video: 'off',
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage'
      ]
    }
  }
});
