import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { HubPages, TWO_SESSIONS_REACHED } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
/** Nobody else's: another file of tests may run beside this one. */
const USER = 'student';
const CONTROL = '/services/perijove';
const API = `${CONTROL}/api/v1`;

test.beforeEach(async () => {
  await demo.stopServers(USER);
});

test.afterAll(async () => {
  await demo.stopServers(USER);
});

async function expectNoViolation(page: Page): Promise<void> {
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
}

/** Opens a page of control, dark and narrow and then light and wide; axe finds nothing in either. */
async function look(page: Page, path: string, heading: string): Promise<void> {
  for (const [colorScheme, width] of [
    ['dark', 390],
    ['light', 1280]
  ] as const) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`${demo.url}${CONTROL}${path}`);
    await expect(page.getByRole('heading', { name: heading, level: 1 })).toBeVisible();
    await expectNoViolation(page);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow, `${path} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
  }
}

test('a refusal is kept, with what to do; use is shown in bars, in a plot and in figures', async ({ page }) => {
  const hub = new HubPages(page, demo, USER);
  await hub.signIn();
  // what failed is the last start only once the others are there
  await demo.startServer(USER);
  await demo.startServer(USER, 'second');
  const third = await demo.fetch(USER, 'POST', `/hub/api/users/${USER}/servers/third`, {});
  expect(third.status).toBe(403);
  // it leaves no server behind
  const model = (await (await demo.fetch(USER, 'GET', `/hub/api/users/${USER}`)).json()) as {
    servers: Record<string, unknown>;
  };
  expect(Object.keys(model.servers).sort()).toEqual(['', 'second']);

  await look(page, '/starts', 'Why did my last start fail?');
  await expect(page.getByText(TWO_SESSIONS_REACHED).first()).toBeVisible();
  await picture(page, 'starts');

  await look(page, '/usage', 'My use');
  await expect(page.getByText('Sessions at once').first()).toBeVisible();
  await expect(page.locator('canvas')).toBeVisible();
  await page.getByText('Show the figures').click();
  await expect(page.getByRole('table').first()).toBeVisible();
  await page.getByText('Show the figures').click();
  await page.evaluate(() => window.scrollTo(0, 0));
  await picture(page, 'usage');

  await look(page, '/', 'My sessions');
  await expect(page.getByText('second').first()).toBeVisible();
  await picture(page, 'sessions');
  await hub.openSpawn('third');
  await expect(page.getByRole('link', { name: 'Why did it fail?' })).toBeVisible();
  expect((await new AxeBuilder({ page }).include('#pj').analyze()).violations).toEqual([]);
});

test('an admin sees who is near a limit, and changes one with a reason', async ({ page }) => {
  await demo.startServer(USER);
  await demo.startServer(USER, 'second');
  await new HubPages(page, demo, 'admin').signIn();
  await look(page, '/admin/', 'Overview');
  await expect(page.getByText('2 of 2 sessions').first()).toBeVisible();
  await picture(page, 'admin-overview');
  for (const [path, heading] of [
    ['leases', 'Sessions that are open'],
    ['usage', 'Use over time'],
    ['closures', 'Drain and maintenance'],
    ['announcements', 'Announcements'],
    ['platform', 'Platform file']
  ]) {
    await look(page, `/admin/${path}`, heading);
  }

  await look(page, '/admin/limits', 'Limits');
  await page.getByLabel('Limit', { exact: true }).selectOption('two-sessions');
  await page.getByLabel('For whom').fill(USER);
  await page.getByLabel('New limit').fill('3');
  await page.getByLabel('Reason').fill('Two courses at once this week');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expectNoViolation(page);
  await page.getByRole('button', { name: 'Yes, set this limit' }).click();
  await expect(page.getByText('Two courses at once this week').first()).toBeVisible();
  await picture(page, 'admin-limits');
  const third = await demo.fetch(USER, 'POST', `/hub/api/users/${USER}/servers/third`, {});
  expect(third.ok).toBe(true);
  await page
    .getByRole('button', { name: /^Revoke/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Yes, revoke it' }).click();
  await expect(page.getByText('Everybody has the limits of the platform file.')).toBeVisible();
});

test('a full home still starts, to be cleaned up', async ({ page }) => {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const full = { quota: 'home', subject: `user:${USER}`, limit: 0, reason: 'shown as full', expires: inAnHour };
  const answer = await demo.fetch('admin', 'POST', `${API}/overrides`, full);
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { id: number };
  try {
    const hub = new HubPages(page, demo, USER);
    await hub.signIn();
    await hub.openSpawn();
    await hub.start();
    await page.waitForURL(`**/user/${USER}/perijove/cleanup**`, { timeout: 60_000 });
    await expect(page.getByRole('heading', { name: 'Clean up my home' })).toBeVisible();
    await expectNoViolation(page);
    await picture(page, 'cleanup');
    const kernel = await demo.fetch(USER, 'POST', `/user/${USER}/api/kernels`, {});
    expect(kernel.status).toBe(403);
  } finally {
    await demo.fetch('admin', 'DELETE', `${API}/overrides/${id}`);
  }
});
