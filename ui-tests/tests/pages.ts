import { expect } from '@playwright/test';
import type { Locator, Page } from '@playwright/test';

import type { Demo } from './platform';

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

  /** Runs the active cell of the notebook in front and waits for a picture below it. */
  async runCell(): Promise<void> {
    const cell = this.page.locator('.jp-NotebookPanel:visible .jp-Cell').first();
    // JupyterLab drops a run that comes before the kernel has connected; a person would press again
    await expect(async () => {
      await cell.locator('.cm-content').click();
      await this.page.keyboard.press('Control+Enter');
      await expect(cell.locator('.jp-InputPrompt')).toHaveText(/\[(\*|\d+)\]/, { timeout: 3_000 });
    }).toPass({ timeout: 60_000 });
    await expect(cell.locator('.jp-OutputArea-output img')).toBeVisible({ timeout: 60_000 });
  }

  readonly page: Page;
}
