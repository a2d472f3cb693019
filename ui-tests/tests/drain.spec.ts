import { expect, test } from '@playwright/test';

import { HubPages } from './pages';
import { Demo } from './platform';

const demo = new Demo();
const CONTROL = '/services/perijove';
const API = `${CONTROL}/api/v1`;

test('an admin drains a site with notice, and opens it again', async ({ page }) => {
  await new HubPages(page, demo, 'admin').signIn();
  await page.goto(`${demo.url}${CONTROL}/admin/closures`);
  await page.getByLabel('Site', { exact: true }).selectOption('cloud-eu');
  await page.getByLabel('What people are told').fill('New disks, back at four');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Yes, close Cloud EU' }).click();
  await expect(page.getByText('New disks, back at four').first()).toBeVisible();
  const sites = (await (await demo.fetch('admin', 'GET', `${API}/sites`)).json()) as {
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
