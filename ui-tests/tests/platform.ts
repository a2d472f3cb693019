import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';

/** An account of the demo, as its `demo.json` says. */
interface IAccount {
  name: string;
  password: string;
  token: string;
}

/** A cluster, as far as tests look at it. */
interface ICluster {
  gateway: string;
  name: string;
  title: string;
  workers: number | null;
}

interface IDemo {
  url: string;
  accounts: IAccount[];
}

/** The running demo: `PERIJOVE_DEMO_JSON` names the file that it has written. */
export class Demo {
  constructor() {
    const path = process.env.PERIJOVE_DEMO_JSON;
    if (!path) {
      throw new Error('PERIJOVE_DEMO_JSON names no file: run ui-tests/run.py, which starts a demo');
    }
    this._demo = JSON.parse(readFileSync(path, 'utf8')) as IDemo;
  }

  get url(): string {
    return this._demo.url;
  }

  account(name: string): IAccount {
    const found = this._demo.accounts.find(account => account.name === name);
    if (!found) {
      throw new Error(`the demo has no account ${name}`);
    }
    return found;
  }

  /** Asks the hub or a user's server as this user. */
  async fetch(user: string, method: string, route: string, body?: unknown): Promise<Response> {
    return fetch(`${this.url}${route}`, {
      method,
      headers: { Authorization: `token ${this.account(user).token}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body)
    });
  }

  /** Stops every server of this user and waits until they are gone; the next test begins where a newcomer does. */
  async stopServers(user: string): Promise<void> {
    for (;;) {
      const names = Object.keys(await this._servers(user));
      if (names.length === 0) {
        return;
      }
      for (const name of names) {
        const route = name ? `servers/${name}` : 'server';
        await this.fetch(user, 'DELETE', `/hub/api/users/${user}/${route}`, { remove: Boolean(name) });
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }

  /** Stops every cluster of this user, if a server of theirs runs to ask. */
  async stopClusters(user: string): Promise<void> {
    if ((await this._servers(user))['']?.ready) {
      await this.fetch(user, 'DELETE', `/user/${user}/perijove/dask/clusters`);
    }
  }

  /** A cluster of this user by its title, as the user's server lists it. */
  async cluster(user: string, title: string): Promise<ICluster | undefined> {
    const answer = await this.fetch(user, 'GET', `/user/${user}/perijove/dask/clusters`);
    return ((await answer.json()) as { items: ICluster[] }).items.find(each => each.title === title);
  }

  /** Gives a cluster so many workers, as a notebook would: no page knows of it. */
  async scaleCluster(user: string, title: string, workers: number): Promise<void> {
    const { gateway, name } = (await this.cluster(user, title))!;
    const route = `/user/${user}/perijove/dask/clusters/${gateway}/${name}/scale`;
    expect((await this.fetch(user, 'POST', route, { workers })).ok).toBe(true);
  }

  /** Starts a server of the user without a page, and waits until it is there. */
  async startServer(user: string, name = ''): Promise<void> {
    const route = name ? `servers/${name}` : 'server';
    const asked = { user_options: { profile: 'standard' } };
    expect((await this.fetch(user, 'POST', `/hub/api/users/${user}/${route}`, asked)).ok).toBe(true);
    await expect.poll(async () => (await this._servers(user))[name]?.ready, { timeout: 60_000 }).toBe(true);
  }

  private async _servers(user: string): Promise<Record<string, { ready: boolean }>> {
    const model = (await (await this.fetch(user, 'GET', `/hub/api/users/${user}`)).json()) as {
      servers: Record<string, { ready: boolean }>;
    };
    return model.servers;
  }

  private _demo: IDemo;
}

/** Keeps a picture: in docs/images when PERIJOVE_SCREENSHOTS names a folder, else with the results of the test. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.PERIJOVE_SCREENSHOTS ?? join('test-results', 'pictures');
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}
