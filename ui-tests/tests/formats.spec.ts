import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();

/** Not the one who plays the newcomer: what this one arranges, the Lab remembers. */
const USER = 'teacher';

test.beforeEach(async () => {
  await demo.stopServers(USER);
});

test.afterAll(async () => {
  await demo.stopServers(USER);
});

/** A Lab that nobody has arranged. */
async function openLab(page: Page): Promise<LabPage> {
  const hub = new HubPages(page, demo, USER);
  await hub.signIn();
  await hub.openSpawn();
  await hub.start();
  await page.waitForURL(`**/user/${USER}/lab**`, { timeout: 60_000 });
  await page.goto(`${demo.url}/user/${USER}/lab?reset`);
  const lab = new LabPage(page);
  await lab.isShown();
  return lab;
}

/** A Lab that nobody has arranged, with the one dataset open that is found by `words`. */
async function openDataset(page: Page, words: string): Promise<LabPage> {
  const lab = await openLab(page);
  await lab.search.fill(words);
  await expect(lab.tree.getByRole('treeitem')).toHaveCount(1);
  await lab.tree.getByRole('treeitem').first().click();
  return lab;
}

/** Opens a file by a double click. */
async function openFile(lab: LabPage, name: string, path = name): Promise<ReturnType<LabPage['preview']>> {
  await lab.row(new RegExp(`^${name.replaceAll('.', '\\.')}`)).dblclick();
  const preview = lab.preview(path);
  await expect(preview.getByText(/moved in \d+ request/)).toBeVisible({ timeout: 30_000 });
  return preview;
}

async function hasNoViolation(page: Page): Promise<void> {
  const ours = new AxeBuilder({ page }).include('.pj-DataPanel');
  if (await page.locator('.pj-Preview').count()) {
    ours.include('.pj-Preview');
  }
  expect((await ours.analyze()).violations).toEqual([]);
}

test('a large table is paged through without a download', async ({ page }) => {
  const lab = await openDataset(page, 'tables and maps');
  await lab.row(/^tables/).click();
  const preview = await openFile(lab, 'cells.parquet', 'tables/cells.parquet');
  const table = preview.getByRole('table');
  await expect(table.getByRole('columnheader', { name: 'temperature float [K]' })).toBeVisible();
  await expect(preview.getByText('rows 1–100 of 308,934')).toBeVisible();
  await expect(table.getByRole('row').nth(1)).toContainText('2006-04-01');
  await picture(page, 'table');
  await hasNoViolation(page);

  await preview.getByRole('button', { name: 'Next rows' }).click();
  await expect(preview.getByText('rows 101–200 of 308,934')).toBeVisible();
  await preview.getByRole('spinbutton', { name: 'Go to row' }).fill('308934');
  await page.keyboard.press('Enter');
  await expect(preview.getByText('rows 308,934–308,934 of 308,934')).toBeVisible();
  await expect(table.getByRole('row').nth(1)).toContainText('2010-09-01');
  await expect(preview.getByRole('button', { name: 'Next rows' })).toHaveAttribute('aria-disabled', 'true');

  // what is small opens in JupyterLab's own viewer, too
  await lab.row(/^tables/).focus();
  await lab.panel.getByRole('button', { name: 'Show as a folder' }).click();
  const folder = page.getByRole('region', { name: 'Datasets as folders' });
  await folder.getByText('monthly.csv', { exact: true }).dblclick();
  await expect(page.locator('.jp-CSVViewer:visible')).toBeVisible();
});

test('a search is narrowed by what is found', async ({ page }) => {
  const lab = await openLab(page);
  await lab.search.fill('sea surface');
  await lab.panel.getByRole('button', { name: 'Narrow down' }).click();
  const formats = lab.panel.getByRole('group', { name: 'Format' });
  await expect(formats.getByRole('button', { name: /^Parquet/ })).toHaveCount(0);
  await formats.getByRole('button', { name: 'All 9' }).click();
  await formats.getByRole('button', { name: /^Parquet/ }).click();
  await expect(lab.tree.getByRole('treeitem', { level: 1 })).toHaveCount(1);
  await expect(lab.row(/in tables and maps/)).toBeVisible();
  await picture(page, 'facets');
  await hasNoViolation(page);
  await lab.panel.getByRole('button', { name: 'No longer only Parquet' }).click();
  await expect(lab.row(/analysed and modelled/)).toBeVisible();
});

test('a map is cut elsewhere by the keyboard, and another part of its file is plotted', async ({ page }) => {
  const lab = await openDataset(page, 'analysed and modelled');
  await lab.row(/^analysis/).click();
  const preview = await openFile(lab, 'ostia_monthly.nc', 'analysis/ostia_monthly.nc');
  await expect(preview.getByRole('treeitem', { name: /^surface_temperature/ })).toHaveAttribute(
    'aria-selected',
    'true'
  );
  const map = preview.getByRole('img', { name: '/surface_temperature, drawn as a picture' });
  await expect(map).toBeVisible();
  await expect(preview.locator('.pj-Coast').first()).toBeAttached();
  await picture(page, 'tree');
  await hasNoViolation(page);

  const before = await map.getAttribute('src');
  await preview.getByRole('slider', { name: 'time, from 0 to 53' }).focus();
  await page.keyboard.press('End');
  await expect(preview.getByRole('spinbutton', { name: 'time, as a number' })).toHaveValue('53');
  await expect(map).not.toHaveAttribute('src', before!);

  await preview.getByRole('treeitem', { name: /^surface_temperature/ }).focus();
  await page.keyboard.type('lat');
  await page.keyboard.press('ArrowDown');
  await expect(preview.getByRole('treeitem', { name: /^time/ }).first()).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(preview.getByRole('figure', { name: /54 points/ })).toBeVisible({ timeout: 30_000 });
  await picture(page, 'plot');
});
