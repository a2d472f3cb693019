import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Locator, Page } from '@playwright/test';

import { HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
/** Nobody else's: another file of tests may run beside this one. */
const USER = 'admin';

let page: Page;
let lab: LabPage;

// one session and one Lab for all families: what they show does not depend on what was open before
test.beforeAll(async ({ browser }) => {
  await demo.stopServers(USER);
  await demo.startServer(USER);
  page = await (await browser.newContext()).newPage();
  await new HubPages(page, demo, USER).signIn();
  await page.goto(`${demo.url}/user/${USER}/lab?reset`);
  lab = new LabPage(page);
  await lab.isShown();
});

test.afterEach(async () => {
  await lab?.closePreviews();
});

test.afterAll(async () => {
  await page?.context().close();
  await demo.stopServers(USER);
});

/** Neither in the panel nor in what is previewed. */
async function hasNoViolation(): Promise<void> {
  const ours = new AxeBuilder({ page }).include('.pj-DataPanel').include('.pj-UsageStatus');
  if (await page.locator('.pj-Preview').count()) {
    ours.include('.pj-Preview');
  }
  expect((await ours.analyze()).violations).toEqual([]);
}

/** The picture of a preview is another one after `change`. */
async function redraws(image: Locator, change: () => Promise<unknown>): Promise<void> {
  const before = await image.getAttribute('src');
  await change();
  await expect(image).not.toHaveAttribute('src', before!);
  await expect(image).toHaveJSProperty('complete', true);
  await expect(image).not.toHaveJSProperty('naturalWidth', 0);
}

/** Presses Tab until the keys go to `target`. */
async function tabTo(target: Locator): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press('Tab');
    if (await target.evaluate(element => element === document.activeElement)) {
      return;
    }
  }
  await expect(target).toBeFocused();
}

/** Chooses a theme as the command palette offers it. */
async function useTheme(theme: 'Dark' | 'Light'): Promise<void> {
  await page.keyboard.press('Control+Shift+C');
  await page
    .getByRole('searchbox', { name: 'Command Palette Section' })
    .or(page.locator('.lm-CommandPalette-input'))
    .first()
    .fill(`use theme jupyterlab ${theme}`);
  await page
    .locator('.lm-CommandPalette-item')
    .filter({ hasText: new RegExp(`JupyterLab ${theme}$`) })
    .first()
    .click();
  await expect(page.locator('body')).toHaveAttribute('data-jp-theme-light', String(theme === 'Light'));
}

test('a search is narrowed by what is found', async () => {
  await lab.search.fill('sea surface');
  await lab.panel.getByRole('button', { name: 'Narrow down' }).click();
  const formats = lab.panel.getByRole('group', { name: 'Format' });
  await formats.getByRole('button', { name: /^All \d+/ }).click();
  await formats.getByRole('button', { name: /^Parquet/ }).click();
  await expect(lab.tree.getByRole('treeitem', { level: 1 })).toHaveCount(1);
  await expect(lab.row(/in tables and maps/)).toBeVisible();
  await picture(page, 'facets');
  await hasNoViolation();
  await lab.panel.getByRole('button', { name: 'No longer only Parquet' }).click();
  await expect(lab.row(/analysed and modelled/)).toBeVisible();
  await lab.panel.getByRole('button', { name: 'Narrow down' }).click();
});

test('a FITS image is drawn as one likes and tells where on the sky it is', async () => {
  await lab.openDataset('simulated galaxies', /wide mosaic/);
  const preview = await lab.openFile('mosaic.fits');
  const image = preview.getByRole('img', { name: /^mosaic\.fits/ });
  await redraws(image, () => preview.getByLabel('Stretch').selectOption('logarithm'));
  await redraws(image, () => preview.getByLabel('Scale').selectOption('least to greatest'));
  await redraws(image, () => preview.getByLabel('Colours').selectOption('inferno'));
  await expect(preview.getByText(/^0 B moved in 1 request/)).toBeVisible();

  await preview.getByRole('searchbox', { name: 'Filter header' }).fill('CTYPE1');
  await expect(preview.getByRole('row', { name: /^CTYPE1/ })).toContainText('RA---TAN');
  await preview.locator('figure').focus();
  await page.keyboard.press('ArrowRight');
  // the great spiral is in the middle
  await expect(preview.getByText(/^ICRS 269\.7\d+° \+66\.0\d+°/)).toBeVisible();
  await expect(preview.getByText(/^17h58m/)).toBeVisible();
  await hasNoViolation();

  const figure = preview.locator('figure');
  await figure.press('+');
  await figure.press('+');
  await expect(preview.locator('img[data-fine]')).toBeVisible();
  await expect(figure).toHaveAttribute('aria-busy', 'false');
  await picture(page, 'sky');
  await figure.press('1');
  await expect(preview.getByText(/% · sharp/)).toBeVisible();
  await figure.press('0');
  await expect(preview.getByText(/% · sharp/)).toHaveCount(0);

  await redraws(image, () => preview.getByLabel('HDU').selectOption('1 OVERVIEW (1024 × 1024)'));
  await expect(image).toHaveAccessibleName('mosaic.fits, 1024 × 1024 pixels');
  const output = await lab.runInsertedCode(preview, 'hdus[1]');
  await expect(output.locator('img')).toBeVisible();
});

test('an image in compressed tiles is an image, and tables of FITS and VOTable are tables', async () => {
  await lab.openDataset('Messier 13', /globular cluster/);
  const tiles = await lab.openFile('compressed/m13_rice.fits');
  await expect(tiles.getByLabel('HDU')).toHaveValue('1');
  await expect(tiles.getByRole('img', { name: 'm13_rice.fits, 300 × 300 pixels' })).toBeVisible();
  await expect((await lab.runInsertedCode(tiles, 'm13_rice.fits')).locator('img')).toBeVisible();

  await lab.openDataset('simulated galaxies', /wide mosaic/);
  const sources = await lab.openFile('catalogue/sources.fits');
  await expect(sources.getByText('rows 1–100 of 78,028')).toBeVisible();
  await expect(sources.getByRole('row').nth(1)).toContainText('spiral');
  await expect((await lab.runInsertedCode(sources, 'sources.fits')).locator('table')).toContainText('ra_deg');

  await lab.openDataset('tables and maps', /in tables and maps/);
  const months = await lab.openFile('tables/monthly.vot');
  await expect(months.getByRole('columnheader', { name: 'mean double [K]' })).toBeVisible();
  await expect(months.getByRole('row').nth(1)).toContainText('2006-04');
  await expect((await lab.runInsertedCode(months, 'monthly.vot')).locator('table')).toContainText('2006-04');
});

test('a large Parquet is paged through without a download; CSV and ECSV have their columns', async () => {
  await lab.openDataset('tables and maps', /in tables and maps/);
  const cells = await lab.openFile('tables/cells.parquet');
  const table = cells.getByRole('table');
  await expect(table.getByRole('columnheader', { name: 'temperature float [K]' })).toBeVisible();
  await expect(cells.getByText('rows 1–100 of 308,934')).toBeVisible();
  await expect(table.getByRole('row').nth(1)).toContainText('2006-04-01');
  await picture(page, 'table');
  await hasNoViolation();
  await cells.getByRole('button', { name: 'Next rows' }).click();
  await expect(cells.getByText('rows 101–200 of 308,934')).toBeVisible();
  await cells.getByRole('spinbutton', { name: 'Go to row' }).fill('308934');
  await page.keyboard.press('Enter');
  await expect(cells.getByText('rows 308,934–308,934 of 308,934')).toBeVisible();
  await expect(table.getByRole('row').nth(1)).toContainText('2010-09-01');
  await expect(cells.getByRole('button', { name: 'Next rows' })).toHaveAttribute('aria-disabled', 'true');
  await expect((await lab.runInsertedCode(cells, 'cells.parquet')).locator('table')).toContainText('temperature');

  const plain = await lab.openFile('tables/monthly.csv');
  await expect(plain.getByRole('columnheader', { name: /^mean/ })).toBeVisible();
  await expect((await lab.runInsertedCode(plain, 'monthly.csv')).locator('table')).toContainText('2006-04');

  const described = await lab.openFile('tables/monthly.ecsv');
  await expect(described.getByRole('columnheader', { name: 'mean float64 [K]' })).toBeVisible();
  await expect((await lab.runInsertedCode(described, 'monthly.ecsv')).locator('table')).toContainText('2006-04');
});

test('a map of NetCDF is cut elsewhere by the keyboard, and another part of its file is plotted', async () => {
  await lab.openDataset('analysed and modelled', /analysed and modelled/);
  const preview = await lab.openFile('analysis/ostia_monthly.nc');
  const variable = preview.getByRole('treeitem', { name: /^surface_temperature/ });
  await expect(variable).toHaveAttribute('aria-selected', 'true');
  const map = preview.getByRole('img', { name: '/surface_temperature, drawn as a picture' });
  await expect(map).toBeVisible();
  await expect(preview.locator('.pj-Coast').first()).toBeAttached();
  await redraws(map, async () => {
    await preview.getByRole('slider', { name: 'time, from 0 to 53' }).focus();
    await page.keyboard.press('End');
    await expect(preview.getByRole('spinbutton', { name: 'time, as a number' })).toHaveValue('53');
  });

  await variable.focus();
  await page.keyboard.type('lat');
  await page.keyboard.press('ArrowDown');
  await expect(preview.getByRole('treeitem', { name: /^time/ }).first()).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(preview.getByRole('figure', { name: /54 points/ })).toBeVisible({ timeout: 30_000 });
  await hasNoViolation();
  await expect(await lab.runInsertedCode(preview, 'ostia_monthly.nc')).toContainText('54');
});

test('HDF5 and both versions of Zarr show their parts and one of them drawn', async () => {
  await lab.openDataset('in Zarr, HDF5 and GRIB', /in Zarr, HDF5/);
  const file = await lab.openFile('ostia_monthly.h5');
  await expect(file.getByRole('img', { name: '/analysis/temperature, drawn as a picture' })).toBeVisible();
  await file.getByRole('treeitem', { name: /^mean/ }).click();
  await expect(file.getByRole('img', { name: '/derived/mean, drawn as a picture' })).toBeVisible();
  await expect(file.getByText('mean of all months')).toBeVisible();
  await expect(await lab.runInsertedCode(file, '/derived/mean')).toContainText(['array']);

  for (const [name, months] of [
    ['ostia_monthly.zarr', 54],
    ['ostia_2006.zarr', 9]
  ] as const) {
    const store = await lab.openFile(name);
    await expect(store.getByRole('img', { name: '/surface_temperature, drawn as a picture' })).toBeVisible();
    await expect(store.getByRole('treeitem', { name: /^surface_temperature/ })).toContainText(`(${months}, 18, 432)`);
    const output = await lab.runInsertedCode(store, name);
    await expect(output.getByText('surface_temperature').first()).toBeAttached();
  }
});

test('a field of GRIB lies on a map with coasts, in the dark too', async () => {
  await useTheme('Dark');
  await lab.openDataset('in Zarr, HDF5 and GRIB', /in Zarr, HDF5/);
  const preview = await lab.openFile('model_201502.grib2');
  await expect(preview.getByRole('treeitem', { name: /^sst/ })).toContainText('(180, 360)');
  await expect(preview.getByText('Sea surface temperature')).toBeVisible();
  const map = preview.getByRole('img', { name: '/1, drawn as a picture' });
  await redraws(map, () => preview.getByLabel('Colours').selectOption('viridis'));
  await expect(preview.locator('.pj-Coast').first()).toBeAttached();
  await preview.locator('figure').focus();
  await page.keyboard.press('ArrowRight');
  await expect(preview.getByText(/^\d+\.\d+° [EW]$/)).toBeVisible();
  await hasNoViolation();
  await picture(page, 'map-dark');
  await expect(await lab.runInsertedCode(preview, 'model_201502.grib2')).toContainText(['units: K', 'array']);

  await useTheme('Light');
});

test('a GeoTIFF is drawn as an image, PNG and JPEG as they are', async () => {
  await lab.openDataset('tables and maps', /in tables and maps/);
  const map = await lab.openFile('maps/model_201502.tif');
  const image = map.getByRole('img', { name: 'model_201502.tif, 180 × 360 pixels' });
  await redraws(image, () => map.getByLabel('Colours').selectOption('inferno'));
  await expect((await lab.runInsertedCode(map, 'model_201502.tif')).locator('img')).toBeVisible();
  for (const name of ['model_201502.png', 'model_201502.jpg']) {
    const shown = await lab.openFile(`maps/${name}`);
    await expect(shown.getByRole('img', { name: `${name}, 720 × 1440 pixels` })).toBeVisible();
    await expect((await lab.runInsertedCode(shown, name)).locator('img')).toBeVisible();
  }
});

test('JSON, a notebook and a text are read as text', async () => {
  await lab.openDataset('tables and maps', /in tables and maps/);
  for (const [path, says, prints] of [
    ['tables/monthly.json', '"month": "2006-04"', "'month': '2006-04'"],
    ['months.ipynb', '# The months of the equatorial oceans', '--- code'],
    ['README.txt', 'Open Government Licence', 'Open Government Licence']
  ]) {
    const preview = await lab.openFile(path);
    await expect(preview.getByRole('group', { name: 'Text' })).toContainText(says);
    await expect((await lab.runInsertedCode(preview, path)).first()).toContainText(prints);
  }
  await hasNoViolation();
});

test('from the search to the output of the code by the keyboard alone', async () => {
  await lab.search.focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('Messier 13');
  await expect(lab.tree.getByRole('treeitem', { level: 1, name: /globular cluster/ })).toBeVisible();
  await expect(lab.tree.getByRole('treeitem', { level: 1 })).toHaveCount(1);
  await tabTo(lab.tree.getByRole('treeitem').first());
  await page.keyboard.press('ArrowRight');
  await expect(lab.row(/^m13\.fits/)).toBeVisible();
  await page.keyboard.type('m13.f');
  await expect(lab.row(/^m13\.fits/)).toBeFocused();
  await page.keyboard.press('Enter');
  const preview = await lab.shownPreview('m13.fits');
  await expect(preview.locator('img')).toBeVisible();
  await tabTo(preview.getByRole('button', { name: 'Insert code' }));
  await page.keyboard.press('Enter');
  await expect(lab.cell).toContainText('m13/m13.fits');
  await expect((await lab.runCell()).locator('img')).toBeVisible();
});

test('what is small opens in viewers of JupyterLab itself', async () => {
  await lab.openDataset('tables and maps', /in tables and maps/);
  await lab.row(/^tables/).click();
  await lab.panel.getByRole('button', { name: 'Show as a folder' }).click();
  const folder = page.getByRole('region', { name: 'Datasets as folders' });
  await folder.getByText('monthly.csv', { exact: true }).dblclick();
  await expect(page.locator('.jp-CSVViewer:visible')).toBeVisible();
});
