import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';

import { HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
const API = '/services/perijove/api/v1';
/** Nobody else's: this one waits for minutes while other files of tests run. */
const USER = 'teacher';

/** The fields of a lease that these tests read. */
interface ILease {
  site: string | null;
  state: string;
  ends_at: string | null;
  explanation: { summary: string };
}

test.beforeEach(async () => {
  await demo.stopServers(USER);
});

test.afterAll(async () => {
  await demo.stopServers(USER);
});

/** The newest lease of the user. */
async function newestLease(): Promise<ILease> {
  const page = (await (await demo.fetch(USER, 'GET', `${API}/leases?limit=1`)).json()) as { items: ILease[] };
  return page.items[0];
}

test('a start that fails goes on elsewhere; its end is told before, and can be put off', async ({ page }) => {
  test.setTimeout(420_000);
  const hub = new HubPages(page, demo, USER);
  await hub.signIn();
  await hub.openSpawn();
  await hub.profile('Taster').check();
  await hub.dataset('Sea surface temperature, kept at the pole').check();
  await expect(hub.place).toContainText('Polar station: it holds sea-at-the-pole');
  await expect(page.locator('#pj-cost')).toContainText('EUR');
  await hub.start();
  await page.waitForURL(`**/user/${USER}/lab**`, { timeout: 60_000 });
  const lease = await newestLease();
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
  const before = await newestLease();
  await page.locator('.jp-toastContainer').getByRole('button', { name: 'Keep 30 minutes' }).first().click();
  await expect.poll(async () => (await newestLease()).ends_at, { timeout: 15_000 }).not.toBe(before.ends_at);
});
