import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
const MOSAIC = 'A wide mosaic of the sky (simulated)';

test.beforeEach(async () => {
  await demo.stopServers('scientist');
  // the Lab remembers what was open; a newcomer has nothing open
  await demo.stopServers('student');
});

test.afterAll(async () => {
  await demo.stopServers('scientist');
  await demo.stopServers('student');
});

/** From the login to the galaxy in a notebook; `shot` keeps a picture of each stop. */
async function seeTheGalaxy(page: Page, user: string, shot: (name: string) => Promise<void>): Promise<LabPage> {
  const hub = new HubPages(page, demo, user);
  await hub.signIn();
  await hub.openSpawn();
  await expect(hub.profile('Standard')).toBeChecked();
  await expect(hub.profile('Large')).toBeVisible();
  await hub.dataset(MOSAIC).check();
  await expect(hub.place).toHaveText(/^Automatic · ESAC: it holds euclid-demo; the other sites? would move 1\.0 GiB$/);
  await shot('spawn');

  await hub.start();
  await page.waitForURL(`**/user/${user}/lab**`, { timeout: 60_000 });
  const lab = new LabPage(page);
  await lab.isShown();
  await expect(lab.sessions).toHaveText('1 of 2 sessions');

  await lab.search.fill('simulated galaxies');
  await expect(lab.tree.getByRole('treeitem')).toHaveCount(1);
  await lab.row(/wide mosaic/).click();
  await lab.row(/^mosaic\.fits/).click();
  await expect(lab.panel.getByText('1.00 GiB').first()).toBeVisible();
  await lab.panel.getByRole('button', { name: 'Preview' }).click();
  const preview = lab.preview('mosaic.fits');
  await expect(preview.locator('img')).toBeVisible({ timeout: 30_000 });
  await expect(preview.getByText(/MiB moved in \d+ requests/)).toBeVisible();
  await shot('preview');

  await preview.getByRole('button', { name: 'Insert code' }).click();
  await expect(page.locator('.jp-NotebookPanel:visible .jp-Cell')).toContainText(
    "perijove.open('euclid-demo/mosaic.fits')"
  );
  await lab.runCell();
  await shot('notebook');
  return lab;
}

test('a newcomer gets from the login to a galaxy in a notebook', async ({ page }) => {
  await seeTheGalaxy(page, 'scientist', name => picture(page, name));

  // a second (named) server is the last; a third is refused with the reason
  const hub = new HubPages(page, demo, 'scientist');
  expect((await demo.fetch('scientist', 'POST', '/hub/api/users/scientist/servers/second', {})).ok).toBe(true);
  await hub.openSpawn('third');
  await expect(hub.place).toContainText('Cannot start now');
  await hub.start();
  const reason =
    /Limit two-sessions reached: 2 of 2 sessions used\. The next one ends by .+ Stop a running server, then start this one\./;
  await expect(page.getByText(reason).first()).toBeVisible({ timeout: 30_000 });
  await picture(page, 'refused');
});

test('the same on a narrow window in the dark theme', async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 480, height: 860 }, colorScheme: 'dark' });
  const page = await context.newPage();
  // a user's theme is a setting of the Lab: it is set where the user would set it
  await demo.fetch('student', 'POST', '/hub/api/users/student/server', {});
  await expect
    .poll(async () => (await demo.fetch('student', 'GET', '/user/student/api/status')).status, { timeout: 30_000 })
    .toBe(200);
  const route = '/user/student/lab/api/settings/@jupyterlab/apputils-extension:themes';
  await demo.fetch('student', 'PUT', route, { raw: '{"theme": "JupyterLab Dark"}' });
  await demo.stopServers('student');

  await seeTheGalaxy(page, 'student', name => picture(page, `${name}-narrow-dark`));
  await expect(page.locator('body')).toHaveAttribute('data-jp-theme-light', 'false');
  await context.close();
});

test('a preview is reached by the keyboard alone', async ({ page }) => {
  const hub = new HubPages(page, demo, 'scientist');
  await hub.signIn();
  await hub.openSpawn();
  await hub.start();
  const lab = new LabPage(page);
  await page.waitForURL('**/user/scientist/lab**', { timeout: 60_000 });
  await page.goto(`${demo.url}/user/scientist/lab?reset`);
  await lab.isShown();
  // the Launcher takes the focus when it comes; a person would not be typing yet
  await expect(page.locator('.jp-LauncherCard').first()).toBeVisible();
  await lab.search.pressSequentially('Messier 13');
  await expect(lab.tree.getByRole('treeitem')).toHaveCount(1);
  await lab.tree.getByRole('treeitem').first().focus();
  await page.keyboard.press('ArrowRight');
  await expect(lab.row(/m13\.fits/)).toBeVisible();
  await expect(async () => {
    await lab.tree.getByRole('treeitem').first().focus();
    await page.keyboard.type('m13.f');
    await expect(lab.row(/m13\.fits/)).toBeFocused({ timeout: 2_000 });
  }).toPass({ timeout: 20_000 });
  await page.keyboard.press('Enter');
  await expect(lab.preview('m13.fits').locator('img')).toBeVisible({ timeout: 30_000 });
});

test('our pages and panels have no accessibility violation', async ({ page }) => {
  const hub = new HubPages(page, demo, 'scientist');
  await hub.signIn();
  await hub.openSpawn();
  const form = await new AxeBuilder({ page }).include('#pj').analyze();
  expect(form.violations).toEqual([]);
  await page.goto(`${demo.url}/services/perijove/`);
  await expect(page.getByRole('heading', { name: 'My sessions' })).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await picture(page, 'sessions');

  await hub.openSpawn();
  await hub.start();
  await page.waitForURL('**/user/scientist/lab**', { timeout: 60_000 });
  await page.goto(`${demo.url}/user/scientist/lab?reset`);
  const lab = new LabPage(page);
  await lab.isShown();
  await lab.row(/Messier 13/).click();
  await lab.row(/^m13\.fits/).dblclick();
  await expect(lab.preview('m13.fits').locator('img')).toBeVisible({ timeout: 30_000 });
  const ours = new AxeBuilder({ page }).include('.pj-Data').include('.pj-Preview').include('.pj-UsageStatus');
  expect((await ours.analyze()).violations).toEqual([]);
});
