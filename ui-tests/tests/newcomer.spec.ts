import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { HubPages, LabPage, TWO_SESSIONS_REACHED } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
const MOSAIC = 'A wide mosaic of the sky (simulated)';

/** Nobody else's: another file of tests may run beside this one. */
const USER = 'scientist';

test.beforeEach(async () => {
  await demo.stopServers(USER);
});

test.afterAll(async () => {
  await demo.stopServers(USER);
});

/** From the login to the galaxy in a notebook; `shot` keeps a picture of each stop, `arrange` changes the Lab first. */
async function seeTheGalaxy(
  page: Page,
  shot: (name: string) => Promise<void>,
  arrange?: () => Promise<void>
): Promise<void> {
  const hub = new HubPages(page, demo, USER);
  await hub.signIn();
  await hub.openSpawn();
  await expect(hub.profile('Standard')).toBeChecked();
  await expect(hub.profile('Large')).toBeVisible();
  await hub.dataset(MOSAIC).check();
  await expect(hub.place).toHaveText(/^Automatic · ESAC: it holds euclid-demo; the other sites? would move 1\.0 GiB$/);
  await shot('spawn');

  await hub.start();
  await page.waitForURL(`**/user/${USER}/lab**`, { timeout: 60_000 });
  await arrange?.();
  const lab = new LabPage(page);
  await lab.isShown();
  await expect(lab.sessions).toHaveText('1 of 2 sessions');

  await lab.openDataset('simulated galaxies', /wide mosaic/);
  await lab.row(/^mosaic\.fits/).click();
  await expect(lab.panel.getByText('1.00 GiB').first()).toBeVisible();
  await lab.panel.getByRole('button', { name: 'Preview' }).click();
  const preview = await lab.shownPreview('mosaic.fits');
  await expect(preview.getByRole('img', { name: /^mosaic\.fits/ })).toBeVisible();
  await shot('preview');

  const output = await lab.runInsertedCode(preview, "perijove.open('euclid-demo/mosaic.fits')");
  await expect(output.locator('img')).toBeVisible();
  await shot('notebook');
}

test('a newcomer gets from the login to a galaxy in a notebook', async ({ page }) => {
  await seeTheGalaxy(page, name => picture(page, name));

  // a second (named) server is the last; a third is refused with the reason
  const hub = new HubPages(page, demo, USER);
  expect((await demo.fetch(USER, 'POST', `/hub/api/users/${USER}/servers/second`, {})).ok).toBe(true);
  await hub.openSpawn('third');
  await expect(hub.place).toContainText('Cannot start now');
  await hub.start();
  await expect(page.getByText(TWO_SESSIONS_REACHED).first()).toBeVisible({ timeout: 30_000 });
  await picture(page, 'refused');
});

test('the same on a narrow window in the dark theme', async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 480, height: 860 }, colorScheme: 'dark' });
  const page = await context.newPage();
  await seeTheGalaxy(
    page,
    name => picture(page, `${name}-narrow-dark`),
    async () => {
      // a user's theme is a setting of the Lab: it is set where the user would set it
      const route = `/user/${USER}/lab/api/settings/@jupyterlab/apputils-extension:themes`;
      await demo.fetch(USER, 'PUT', route, { raw: '{"theme": "JupyterLab Dark"}' });
      // the Lab remembers what was open; a newcomer has nothing open
      await page.goto(`${demo.url}/user/${USER}/lab?reset`);
    }
  );
  await expect(page.locator('body')).toHaveAttribute('data-jp-theme-light', 'false');
  await context.close();
});

test('the pages before the Lab have no accessibility violation', async ({ page }) => {
  const hub = new HubPages(page, demo, USER);
  await hub.signIn();
  await hub.openSpawn();
  const form = await new AxeBuilder({ page }).include('#pj').analyze();
  expect(form.violations).toEqual([]);
  await page.goto(`${demo.url}/services/perijove/`);
  await expect(page.getByRole('heading', { name: 'My sessions' })).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
});
