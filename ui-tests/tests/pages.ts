import { expect } from '@playwright/test';
import type { FrameLocator, Locator, Page } from '@playwright/test';

import type { Demo } from './platform';

/** Why a third session is refused, with what to do. */
export const TWO_SESSIONS_REACHED =
  /Limit two-sessions reached: 2 of 2 sessions used\. The next one ends by .+ Stop a running server, then start this one\./;

/** The hub's pages: login, spawn, and what comes between. */
export class HubPages {
  constructor(page: Page, demo: Demo, user: string) {
    this._page = page;
    this._demo = demo;
    this._user = user;
  }

  async signIn(): Promise<void> {
    await this._page.goto(`${this._demo.url}/`);
    await this._page.fill('#username_input', this._user);
    await this._page.fill('#password_input', this._demo.account(this._user).password);
    await this._page.click('#login_submit');
    await this._page.waitForURL(url => !url.pathname.endsWith('/login'));
  }

  async openSpawn(server = ''): Promise<void> {
    await this._page.goto(`${this._demo.url}/hub/spawn/${this._user}${server && `/${server}`}`);
  }

  get place(): Locator {
    return this._page.locator('#pj-summary');
  }

  profile(title: string): Locator {
    return this._page.getByRole('radio', { name: title });
  }

  dataset(title: string): Locator {
    return this._page.getByRole('checkbox', { name: title });
  }

  async start(): Promise<void> {
    await this._page.getByRole('button', { name: 'Start' }).click();
  }

  private _page: Page;
  private _demo: Demo;
  private _user: string;
}

/** JupyterLab with our panels. */
export class LabPage {
  constructor(page: Page) {
    this.page = page;
  }

  /** Waits until the Lab is there with the Data panel open. */
  async isShown(): Promise<void> {
    await expect(this.panel).toBeVisible({ timeout: 60_000 });
    await expect(this.tree.getByRole('treeitem').first()).toBeVisible();
  }

  get panel(): Locator {
    return this.page.getByRole('region', { name: 'Data', exact: true });
  }

  get tree(): Locator {
    return this.page.getByRole('tree', { name: 'Datasets' });
  }

  get search(): Locator {
    return this.panel.getByRole('searchbox', { name: 'Search datasets' });
  }

  row(name: string | RegExp, exact = false): Locator {
    return this.tree.getByRole('treeitem', { name, exact });
  }

  preview(path: string): Locator {
    return this.page.getByRole('region', { name: `Preview of ${path}` });
  }

  get sessions(): Locator {
    return this.page.locator('.pj-UsageStatus').getByRole('button');
  }

  /** Finds a dataset by words that find no other, and opens it. */
  async openDataset(words: string, title: string | RegExp): Promise<void> {
    await this.search.fill(words);
    const found = this.tree.getByRole('treeitem', { level: 1 });
    const row = this.tree.getByRole('treeitem', { level: 1, name: title });
    await expect(row).toBeVisible();
    await expect(found).toHaveCount(1);
    await this._unfold(row);
  }

  /** Opens the folders of a path in the open dataset, and its last part for a look. */
  async openFile(path: string): Promise<Locator> {
    const names = path.split('/');
    for (const folder of names.slice(0, -1)) {
      await this._unfold(this.row(startingWith(folder)));
    }
    await this.row(startingWith(names.at(-1)!)).click();
    await this.panel.getByRole('button', { name: 'Preview' }).click();
    return this.shownPreview(path);
  }

  /** The preview of a path, once it says what it moved. */
  async shownPreview(path: string): Promise<Locator> {
    const preview = this.preview(path);
    await expect(preview.getByText(/moved in \d+ request/)).toBeVisible({ timeout: 30_000 });
    return preview;
  }

  /** Closes every tab of the main area but the Launcher and notebooks without a name. */
  async closePreviews(): Promise<void> {
    const others = this.page.locator('#jp-main-dock-panel .lm-TabBar-tab').filter({ hasNotText: /Launcher|Untitled/ });
    for (let left = await others.count(); left > 0; left -= 1) {
      await others.first().locator('.lm-TabBar-tabCloseIcon').click();
      await expect(others).toHaveCount(left - 1);
    }
  }

  /** The cell that keys go to, in the notebook in front. */
  get cell(): Locator {
    return this.page.locator('.jp-NotebookPanel:visible .jp-Cell.jp-mod-active');
  }

  /** Presses *Insert code* in a preview and runs the cell that comes; what is below it then. */
  async runInsertedCode(preview: Locator, path: string): Promise<Locator> {
    await preview.getByRole('button', { name: 'Insert code' }).click();
    await expect(this.cell).toContainText(path);
    return this.runCell(() => this.cell.locator('.cm-content').click());
  }

  /** Runs the active cell of the notebook in front, as it is, once `reach`ed; what is below it when it has ended well. */
  async runCell(reach?: () => Promise<void>): Promise<Locator> {
    const prompt = this.cell.locator('.jp-InputPrompt');
    // JupyterLab drops a run that comes before the kernel has connected; a person would press again
    await expect(async () => {
      await reach?.();
      await this.page.keyboard.press('Control+Enter');
      await expect(prompt).toHaveText(/\[(\*|\d+)\]/, { timeout: 3_000 });
    }).toPass({ timeout: 60_000 });
    await expect(prompt).toHaveText(/\[\d+\]/, { timeout: 60_000 });
    await expect(this.cell.locator('[data-mime-type="application/vnd.jupyter.error"]')).toHaveCount(0);
    return this.cell.locator('.jp-OutputArea-output');
  }

  private async _unfold(row: Locator): Promise<void> {
    if ((await row.getAttribute('aria-expanded')) !== 'true') {
      await row.click();
    }
    await expect(row).toHaveAttribute('aria-expanded', 'true');
  }

  readonly page: Page;
}

/** The Compute panel, and what it opens. */
export class ComputePanel {
  constructor(page: Page) {
    this.page = page;
  }

  /** Shows the panel by its tab in the sidebar, and waits until it has heard of the clusters. */
  async open(): Promise<void> {
    if (!(await this.panel.isVisible())) {
      await this.page.getByRole('tab', { name: 'Compute' }).click();
    }
    await expect(this.clusters.getByRole('heading', { name: 'Clusters' })).toBeVisible();
    await expect(this.clusters.getByText('Asking for your clusters…')).toHaveCount(0);
  }

  get panel(): Locator {
    return this.page.getByRole('region', { name: 'Compute', exact: true });
  }

  /** The part with those that are not over. */
  get clusters(): Locator {
    return this.panel.getByRole('region', { name: 'Clusters', exact: true });
  }

  /** The part with those that are. */
  get ended(): Locator {
    return this.panel.getByRole('region', { name: 'Ended in the last 24 h' });
  }

  get form(): Locator {
    return this.panel.getByRole('form', { name: 'New cluster' });
  }

  /** What the panel says about the form as it is. */
  get estimate(): Locator {
    return this.form.getByRole('status', { name: 'Estimate' });
  }

  /** A cluster by its title, in one of the parts. */
  cluster(title: string, part = this.clusters): Locator {
    return part.getByRole('listitem').filter({ has: this.page.getByRole('heading', { name: title, exact: true }) });
  }

  /** A tab with a plot of a cluster; the page in it is `frame`. */
  plot(plot: string, title: string): { tab: Locator; frame: FrameLocator } {
    const name = `${plot} of cluster ${title}`;
    const tab = this.page.getByRole('region', { name });
    return { tab, frame: tab.frameLocator('iframe') };
  }

  /** Opens the form, fills it in and starts the cluster. */
  async start(title: string, workers: number): Promise<void> {
    await this.clusters.getByRole('button', { name: 'New cluster' }).click();
    await this.form.getByLabel('Title').fill(title);
    await this.form.getByRole('spinbutton', { name: 'Workers', exact: true }).fill(String(workers));
    await expect(this.estimate).toContainText('per hour');
    await this.form.getByRole('button', { name: 'Start cluster' }).click();
    await expect(this.form).toHaveCount(0);
  }

  /** Gives a cluster so many workers, and waits until they are there. */
  async scale(title: string, workers: number): Promise<void> {
    const row = this.cluster(title);
    await row.getByRole('button', { name: 'Scale' }).click();
    const form = row.getByRole('form', { name: `Workers of ${title}` });
    await form.getByRole('spinbutton', { name: 'Workers' }).fill(String(workers));
    await form.getByRole('button', { name: 'Apply' }).click();
    await expect(form).toHaveCount(0);
    await expect(row.getByText(`${workers} workers`, { exact: true })).toBeVisible({ timeout: 60_000 });
  }

  /** Opens one plot of a cluster as a tab, and waits until Bokeh has drawn it. */
  async openPlot(title: string, plot: string): Promise<void> {
    const row = this.cluster(title);
    await row.getByRole('button', { name: 'Plots' }).click();
    await row
      .getByRole('list', { name: `Plots of ${title}` })
      .getByRole('button', { name: plot, exact: true })
      .click();
    await this.isDrawn(plot, title);
  }

  /** Brings the tab of a plot to the front. */
  async showPlot(plot: string, title: string): Promise<void> {
    const tab = this.page.locator('#jp-main-dock-panel').getByRole('tab', { name: `${plot}: ${title}` });
    // a notebook that is restored comes to the front once it is there
    await expect(async () => {
      await tab.click();
      await expect(this.plot(plot, title).tab).toBeVisible({ timeout: 3_000 });
    }).toPass({ timeout: 30_000 });
  }

  /** Brings the tab of a plot to the front after a reload, and waits until Bokeh has drawn it again. */
  async showRestored(plot: string, title: string): Promise<void> {
    // what was in front before comes there again at the end of the restoration, also over what was clicked meanwhile
    await expect(async () => {
      await this.showPlot(plot, title);
      await expect(this.plot(plot, title).frame.locator('canvas').first()).toBeVisible({ timeout: 10_000 });
    }).toPass({ timeout: 60_000 });
    await this.isDrawn(plot, title);
  }

  /** Waits until Bokeh has drawn a plot: there is a canvas in the tab, and something in it. */
  async isDrawn(plot: string, title: string): Promise<void> {
    const canvas = this.plot(plot, title).frame.locator('canvas').first();
    await expect(canvas).toBeVisible({ timeout: 30_000 });
    await expect
      .poll(() =>
        canvas.evaluate((drawn: HTMLCanvasElement) => {
          const { width, height } = drawn;
          return (drawn.getContext('2d')?.getImageData(0, 0, width, height).data ?? []).some(byte => byte !== 0);
        })
      )
      .toBe(true);
  }

  /** Stops a cluster, which must be confirmed, and waits until it is among those that are over. */
  async stop(title: string): Promise<void> {
    await this.cluster(title).getByRole('button', { name: 'Stop' }).click();
    const dialog = this.page.getByRole('dialog').filter({ hasText: `Stop cluster ${title}?` });
    await dialog.getByRole('button', { name: 'Stop' }).click();
    await expect(this.cluster(title)).toHaveCount(0, { timeout: 60_000 });
    await expect(this.cluster(title, this.ended)).toBeVisible();
  }

  readonly page: Page;
}

/** Rows are named by their file, and what stands beside it. */
function startingWith(name: string): RegExp {
  return new RegExp(`^${name.replaceAll('.', '\\.')}`);
}
