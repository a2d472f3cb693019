import { expect } from '@playwright/test';
import type { Locator, Page } from '@playwright/test';

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

/** Rows are named by their file, and what stands beside it. */
function startingWith(name: string): RegExp {
  return new RegExp(`^${name.replaceAll('.', '\\.')}`);
}
