import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
const CONTROL = '/services/perijove';
const API = `${CONTROL}/api/v1`;

/** The fields of a lease that these tests read. */
interface ILease {
  site: string | null;
  state: string;
  ends_at: string | null;
  explanation: { summary: string };
}

test.beforeEach(async () => {
  await demo.stopServers('scientist');
  await demo.stopServers('student');
});

test.afterAll(async () => {
  await demo.stopServers('scientist');
  await demo.stopServers('student');
});

/** The newest lease of a user. */
async function newestLease(user: string): Promise<ILease> {
  const page = (await (await demo.fetch(user, 'GET', `${API}/leases?limit=1`)).json()) as { items: ILease[] };
  return page.items[0];
}

async function expectNoViolation(page: Page): Promise<void> {
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
}

/** Signs in and opens a page of control, in one colour scheme and width after the other; axe finds nothing in any. */
async function look(page: Page, path: string, heading: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    for (const width of [390, 1280]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${demo.url}${CONTROL}${path}`);
      await expect(page.getByRole('heading', { name: heading, level: 1 })).toBeVisible();
      await expectNoViolation(page);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow, `${path} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
    }
  }
}

test('a start that fails goes on elsewhere; its end is told before, and can be put off', async ({ page }) => {
  test.setTimeout(420_000);
  const hub = new HubPages(page, demo, 'scientist');
  await hub.signIn();
  await hub.openSpawn();
  await hub.profile('Taster').check();
  // what was ticked the last time is ticked again
  await hub.dataset('A wide mosaic of the sky (simulated)').uncheck();
  await hub.dataset('Sea surface temperature, kept at the pole').check();
  await expect(hub.place).toContainText('Polar station: it holds sea-at-the-pole');
  await expect(page.locator('#pj-cost')).toContainText('EUR');
  await hub.start();
  await page.waitForURL('**/user/scientist/lab**', { timeout: 60_000 });
  const lease = await newestLease('scientist');
  expect(lease.site).toBe('esac');
  expect(lease.explanation.summary).toContain('Polar station did not start it');

  const lab = new LabPage(page);
  await lab.isShown();
  await lab.sessions.click();
  const limits = page.getByRole('dialog', { name: 'My limits' });
  await expect(limits.getByRole('heading', { name: 'Over time' })).toBeVisible();
  await expect(limits).toContainText('Polar station did not start it');
  expect((await new AxeBuilder({ page }).include('.pj-UsagePopup').analyze()).violations).toEqual([]);
  await picture(page, 'limits');
  await limits.getByRole('button', { name: 'Close' }).click();

  // the demo's shortest session is told of its end at its half
  const toast = page.locator('.jp-toastContainer').getByText(/6 minutes of your server are nearly over/);
  await expect(toast).toBeVisible({ timeout: 240_000 });
  await picture(page, 'ending');
  const before = await newestLease('scientist');
  await page.locator('.jp-toastContainer').getByRole('button', { name: 'Keep 30 minutes' }).first().click();
  await expect.poll(async () => (await newestLease('scientist')).ends_at, { timeout: 15_000 }).not.toBe(before.ends_at);
});

test('a refusal is kept, with what to do; use is shown in bars, in a plot and in figures', async ({ page }) => {
  const hub = new HubPages(page, demo, 'scientist');
  await hub.signIn();
  for (const route of ['server', 'servers/second']) {
    const asked = { user_options: { profile: 'standard' } };
    expect((await demo.fetch('scientist', 'POST', `/hub/api/users/scientist/${route}`, asked)).ok).toBe(true);
  }
  const third = await demo.fetch('scientist', 'POST', '/hub/api/users/scientist/servers/third', {});
  expect(third.status).toBe(403);
  // it leaves no server behind
  const model = (await (await demo.fetch('scientist', 'GET', '/hub/api/users/scientist')).json()) as {
    servers: Record<string, unknown>;
  };
  expect(Object.keys(model.servers).sort()).toEqual(['', 'second']);

  await look(page, '/starts', 'Why did my last start fail?');
  const reason =
    /Limit two-sessions reached: 2 of 2 sessions used\. The next one ends by .+ Stop a running server, then start this one\./;
  await expect(page.getByText(reason).first()).toBeVisible();
  await picture(page, 'starts');

  await look(page, '/usage', 'My use');
  await expect(page.getByText('Sessions at once')).toBeVisible();
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

test('an admin sees who is near a limit, changes one with a reason, and drains a site with notice', async ({
  page
}) => {
  const asked = { user_options: { profile: 'standard' } };
  for (const route of ['server', 'servers/second']) {
    expect((await demo.fetch('student', 'POST', `/hub/api/users/student/${route}`, asked)).ok).toBe(true);
  }
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
  await page.getByLabel('For whom').fill('student');
  await page.getByLabel('New limit').fill('3');
  await page.getByLabel('Reason').fill('Two courses at once this week');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expectNoViolation(page);
  await page.getByRole('button', { name: 'Yes, set this limit' }).click();
  await expect(page.getByText('Two courses at once this week').first()).toBeVisible();
  await picture(page, 'admin-limits');
  const third = await demo.fetch('student', 'POST', '/hub/api/users/student/servers/third', asked);
  expect(third.ok).toBe(true);
  await page
    .getByRole('button', { name: /^Revoke/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Yes, revoke it' }).click();
  await expect(page.getByText('Everybody has the limits of the platform file.')).toBeVisible();

  await page.goto(`${demo.url}${CONTROL}/admin/closures`);
  await page.getByLabel('Site', { exact: true }).selectOption('cloud-eu');
  await page.getByLabel('What people are told').fill('New disks, back at four');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Yes, close Cloud EU' }).click();
  await expect(page.getByText('New disks, back at four').first()).toBeVisible();
  const sites = (await (await demo.fetch('student', 'GET', `${API}/sites`)).json()) as {
    items: { name: string; closed: string | null }[];
  };
  expect(sites.items.find(site => site.name === 'cloud-eu')?.closed).toContain('New disks, back at four');
  await page
    .getByRole('button', { name: /^Withdraw/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Yes, withdraw it' }).click();
  await expect(page.getByText('Every site takes starts, and none is going to close.')).toBeVisible();
});

test('a full home still starts, to be cleaned up', async ({ page }) => {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const full = { quota: 'home', subject: 'user:student', limit: 0, reason: 'shown as full', expires: inAnHour };
  const answer = await demo.fetch('admin', 'POST', `${API}/overrides`, full);
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { id: number };
  try {
    const hub = new HubPages(page, demo, 'student');
    await hub.signIn();
    await hub.openSpawn();
    await hub.start();
    await page.waitForURL('**/user/student/perijove/cleanup**', { timeout: 60_000 });
    await expect(page.getByRole('heading', { name: 'Clean up my home' })).toBeVisible();
    await expectNoViolation(page);
    await picture(page, 'cleanup');
    const kernel = await demo.fetch('student', 'POST', '/user/student/api/kernels', {});
    expect(kernel.status).toBe(403);
  } finally {
    await demo.fetch('admin', 'DELETE', `${API}/overrides/${id}`);
  }
});
