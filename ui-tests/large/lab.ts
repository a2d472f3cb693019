import { expect } from '@playwright/test';
import type { Locator, Page, Request } from '@playwright/test';

import { LabPage } from '../tests/pages';

/** The dataset with a hundred thousand names. */
export const FLAT = 'A hundred thousand tiles';

/** What of the server extension is asked for the panel, as `datasets?q=` or `tree?…`. */
export class Asked {
  constructor(page: Page) {
    page.on('request', request => this._take(request, this.requests));
    page.on('requestfailed', request => this._take(request, this.aborted));
  }

  /** The queries of the pages of a folder, in order. */
  get trees(): URLSearchParams[] {
    return this.requests.filter(url => url.pathname.endsWith('/tree')).map(url => url.searchParams);
  }

  /** The queries of searches, in order. */
  get searches(): URLSearchParams[] {
    return this.requests.filter(url => url.pathname.endsWith('/datasets')).map(url => url.searchParams);
  }

  /** Every call to the server extension, and those that were given up. */
  readonly requests: URL[] = [];
  readonly aborted: URL[] = [];

  private _take(request: Request, into: URL[]): void {
    const url = new URL(request.url());
    if (url.pathname.includes('/x/perijove/')) {
      into.push(url);
    }
  }
}

/** A Lab that nobody has arranged yet, with the panel closed; in a workspace of this name, or the default one. */
export async function openLab(page: Page, workspace = ''): Promise<LabPage> {
  const url = process.env.PERIJOVE_LARGE_URL;
  if (!url) {
    throw new Error('PERIJOVE_LARGE_URL names no Lab: run ui-tests/large.py, which starts one');
  }
  const path = workspace ? `lab/workspaces/${workspace}?` : 'lab?';
  await page.goto(`${url.replace('lab?', path)}&reset`);
  await expect(page.getByRole('tab', { name: 'Data', exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(page.locator('.jp-Launcher')).toBeVisible({ timeout: 60_000 });
  return new LabPage(page);
}

/** Shows the Data panel by its tab in the sidebar. */
export async function showPanel(lab: LabPage): Promise<void> {
  await lab.page.getByRole('tab', { name: 'Data', exact: true }).click();
  await lab.isShown();
  await expect(lab.row(FLAT)).toBeVisible();
}

/** What is in the tree's folder now. */
export function files(lab: LabPage): Locator {
  return lab.tree.locator('[role="treeitem"][data-kind="file"]');
}

/** The middle one, or the lower of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
