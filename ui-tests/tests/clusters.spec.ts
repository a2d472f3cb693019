import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';

import { ComputePanel, HubPages, LabPage } from './pages';
import { Demo, picture } from './platform';

const demo = new Demo();
/** Nobody else's: another file of tests may run beside this one. */
const USER = 'engineer';
/** Its own in each run: those that ended in the last 24 hours are listed, too. */
const TITLE = `Mosaic at ${new Date().toISOString().slice(11, 19)}`;
const PLOT = 'Progress';

test.beforeEach(async () => {
  await demo.stopClusters(USER);
  await demo.stopServers(USER);
});

test.afterAll(async () => {
  await demo.stopClusters(USER);
  await demo.stopServers(USER);
});

async function hasNoViolation(page: Page): Promise<void> {
  const ours = new AxeBuilder({ page }).include('.pj-ComputePanel').exclude('iframe');
  expect((await ours.analyze()).violations).toEqual([]);
}

test('a cluster is started near the data, grown, looked at, used from a notebook, and stopped', async ({ page }) => {
  test.setTimeout(420_000);
  await demo.startServer(USER);
  await new HubPages(page, demo, USER).signIn();
  await page.goto(`${demo.url}/user/${USER}/lab?reset`);
  const lab = new LabPage(page);
  await lab.isShown();

  const compute = new ComputePanel(page);
  await compute.open();
  await expect(compute.panel.getByRole('region', { name: 'Where I run' })).toContainText('ESAC');
  await expect(compute.clusters.getByText(/^No cluster runs\./)).toBeVisible();
  await hasNoViolation(page);

  await test.step('the form says what it costs before it starts', async () => {
    await compute.clusters.getByRole('button', { name: 'New cluster' }).click();
    await expect(compute.form.getByLabel('Gateway').getByRole('option')).toHaveCount(2);
    await expect(compute.estimate).toContainText('EUR per hour');
    await expect(compute.estimate).toContainText('Stops by itself when nothing has run in it for');
    await compute.form.getByLabel(/^Cores per worker/).fill('99');
    await expect(compute.form.getByText('It must be 1 to 4.')).toBeVisible();
    await compute.form.getByLabel(/^Cores per worker/).fill('1');
    await expect(compute.estimate).toContainText('EUR per hour');
    await picture(page, 'cluster-form');
    await hasNoViolation(page);
    await compute.form.getByRole('button', { name: 'Cancel' }).click();
    await expect(compute.clusters.getByRole('button', { name: 'New cluster' })).toBeFocused();
  });

  await test.step('it starts, and is grown to two workers', async () => {
    await compute.start(TITLE, 1);
    const row = compute.cluster(TITLE);
    await expect(row.getByText('Running')).toBeVisible({ timeout: 60_000 });
    // the panel's own status: the form's, which says what it would cost, is gone
    await expect(compute.panel.getByRole('status')).toHaveText(`Cluster ${TITLE} is running.`);
    await expect(row.getByText('1 worker', { exact: true })).toBeVisible({ timeout: 60_000 });
    await compute.scale(TITLE, 2);
    await expect(row).toContainText('EUR per hour');
    await hasNoViolation(page);
  });

  await test.step('one of its plots is drawn in a tab', async () => {
    await compute.openPlot(TITLE, PLOT);
    await picture(page, 'cluster');
    const { tab } = compute.plot(PLOT, TITLE);
    await expect(tab.locator('iframe')).toHaveAttribute('sandbox', 'allow-scripts allow-same-origin');
  });

  await test.step('code that connects to it runs in a notebook', async () => {
    await compute.cluster(TITLE).getByRole('button', { name: 'Insert code' }).click();
    await expect(lab.cell).toContainText('get_client');
    await lab.runCell(() => lab.cell.locator('.cm-content').click());
    await expect(lab.cell).not.toContainText('token');
  });

  await test.step('the cluster and its plot are there again after the browser was reloaded', async () => {
    await page.reload();
    await expect(compute.panel.or(lab.panel).first()).toBeVisible({ timeout: 60_000 });
    await compute.open();
    await expect(compute.cluster(TITLE).getByText('2 workers', { exact: true })).toBeVisible();
    await compute.showRestored(PLOT, TITLE);
  });

  await test.step('it is stopped, once that is confirmed, and can be started again', async () => {
    await compute.stop(TITLE);
    const over = compute.cluster(TITLE, compute.ended);
    await expect(over).toContainText('Stopped');
    await compute.showPlot(PLOT, TITLE);
    const { tab } = compute.plot(PLOT, TITLE);
    await expect(tab.getByRole('heading', { name: 'This cluster has ended' })).toBeVisible();
    await hasNoViolation(page);
    await over.getByRole('button', { name: `Start ${TITLE} again` }).click();
    await expect(compute.form.getByLabel('Title')).toHaveValue(TITLE);
    await expect(compute.form.getByRole('spinbutton', { name: 'Workers', exact: true })).toHaveValue('2');
    await compute.form.getByRole('button', { name: 'Cancel' }).click();
  });
});

test('workers come though the page is closed at once, and what is in the way is told while the panel is', async ({
  page
}) => {
  test.setTimeout(240_000);
  const title = `${TITLE}, left alone`;
  await demo.startServer(USER);
  await new HubPages(page, demo, USER).signIn();
  const lab = new LabPage(page);
  const compute = new ComputePanel(page);

  await test.step('the page is closed before the cluster runs', async () => {
    await page.goto(`${demo.url}/user/${USER}/lab?reset`);
    await lab.isShown();
    await compute.open();
    await compute.start(title, 1);
    await expect(compute.cluster(title)).toContainText('1 worker');
    await page.goto('about:blank');
    await expect.poll(async () => (await demo.cluster(USER, title))?.workers, { timeout: 60_000 }).toBe(1);
  });

  await test.step('a limit is in the way of more, and no panel shows that', async () => {
    await page.goto(`${demo.url}/user/${USER}/lab?reset`);
    await lab.isShown();
    await demo.scaleCluster(USER, title, 8);
    // in the notification centre, which marks that there is one
    await page.locator('.jp-Notification-Status').getByText('1', { exact: true }).click({ timeout: 60_000 });
    const told = page.locator('.jp-Notification-List').getByText(`Cluster ${title} has fewer workers than it wants`);
    await expect(told).toBeVisible();
    await expect(compute.panel).toBeHidden();
  });
});

test('a dataset leads to the gateway that is nearest to it', async ({ page }) => {
  await demo.startServer(USER);
  await new HubPages(page, demo, USER).signIn();
  await page.goto(`${demo.url}/user/${USER}/lab?reset`);
  const lab = new LabPage(page);
  await lab.isShown();
  await lab.openDataset('simulated galaxies', /wide mosaic/);
  await lab.panel.getByRole('button', { name: 'New cluster near it' }).click();
  const compute = new ComputePanel(page);
  await expect(compute.form).toBeVisible();
  await expect(compute.form.getByText('To read euclid-demo')).toBeVisible();
  await expect(compute.form.getByRole('option', { name: 'ESAC (nearest to the data)' })).toBeAttached();
  await expect(compute.form.getByLabel('Gateway')).toHaveValue('esac');
  await hasNoViolation(page);
});

test('the example reads a Zarr on workers and plots it', async ({ page }) => {
  test.setTimeout(240_000);
  await demo.startServer(USER);
  await new HubPages(page, demo, USER).signIn();
  await page.goto(`${demo.url}/user/${USER}/lab/tree/examples/dask-near-the-data.ipynb?reset`);
  const lab = new LabPage(page);
  await lab.isShown();
  const notebook = page.locator('.jp-NotebookPanel');
  await expect(notebook.getByRole('heading', { name: 'A cluster next to the data' })).toBeVisible();
  // JupyterLab drops a run that comes before the kernel has connected; a person would press again
  await expect(async () => {
    await page.getByRole('menuitem', { name: 'Run', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Run All Cells', exact: true }).click();
    await expect(notebook.locator('.jp-CodeCell .jp-InputPrompt').first()).toHaveText(/\[(\*|\d+)\]/, {
      timeout: 3_000
    });
  }).toPass({ timeout: 60_000 });
  await expect(notebook.getByText(/^Cluster [0-9a-f]{32} at (esac|cloud-eu)$/)).toBeVisible({ timeout: 60_000 });
  const plot = notebook.locator('.jp-OutputArea-output img');
  await expect(plot).toBeVisible({ timeout: 120_000 });
  await expect(notebook.locator('.jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"]')).toHaveCount(0);
  await plot.scrollIntoViewIfNeeded();
  await picture(page, 'cluster-notebook');
});
