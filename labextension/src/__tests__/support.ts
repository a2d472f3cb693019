/** The server extension as the models see it, played by a few lists. The only fake of these tests. */

import { ApiError, IObjectHead, IPerijoveClient, ITreeWish } from '../client';
import type { IDetailsActions } from '../data/details';
import type { IShelfStores } from '../data/shelf';
import type { INotificationOptions, INotifier } from '../notices/notifier';
import type {
  ICopy,
  IDataset,
  IDatasetPage,
  IDatasetQuery,
  IEntryPage,
  ILease,
  INotice,
  IPage,
  IPreviewOptions,
  IQuota,
  ISnippet,
  ITreeEntry,
  IUsage,
  Preview
} from '../wire';
import { FakeGateways } from './gateways';

/** A dataset with all that it must have. */
export function dataset(id: string, title: string): IDataset {
  return {
    id,
    title,
    description: `About ${title}`,
    licence: 'CC-BY-4.0',
    attribution: null,
    doi: '10.5270/esa-igeq1',
    keywords: [],
    providers: [{ name: 'ESA', roles: ['producer'], url: 'javascript:alert(1)' }],
    formats: ['FITS'],
    size_bytes: 1_181_116_006,
    delivery: 'direct',
    replicas: [
      { id: 'far', site: null, region: 'eu-de-1', url: 's3://b/', endpoint: null, rank: 1, egress_cost: 0.099 },
      { id: 'near', site: 'esac', region: 'eu-es-madrid', url: 's3://a/', endpoint: null, rank: 0, egress_cost: 0 }
    ]
  };
}

/** A limit on what is held now, or over `window`. */
export function quota(name: string, used: number, limit: number, change: Partial<IQuota> = {}): IQuota {
  const base = { name, resource: name, unit: name, limit, used, per: 'user', window: null, window_end: null };
  return { ...base, state: 'ok', ...change };
}

/** The lease of a session that runs at esac. */
export function lease(change: Partial<ILease> = {}): ILease {
  return { id: 'l', site: 'esac', started: null, cost: 0.5, explanation: { summary: 'It holds demo' }, ...change };
}

/** What the server says of limits and of this session. */
export function usageOf(change: Partial<IUsage> = {}): IUsage {
  const base = { quotas: [], lease: null, currency: 'EUR', notices: [], pages: '/services/perijove/', rescue: false };
  return { ...base, ...change };
}

/** A warning of the platform. */
export function notice(id: number, change: Partial<INotice> = {}): INotice {
  const base = { id, created: '2026-01-01T12:00:00Z', expires: null, topic: 'quota', message: `Notice ${id}` };
  return { ...base, severity: 'warning', lease: null, keep_minutes: null, ...change };
}

/** JupyterLab's notifications, as a list. */
export class FakeNotifier implements INotifier {
  /** What was shown, in order; those that were taken away stay in. */
  shown: { message: string; type: string; options: INotificationOptions }[] = [];
  /** The messages that were taken away. */
  dismissed: string[] = [];

  emit(message: string, type: string, options: INotificationOptions = {}): string {
    return String(this.shown.push({ message, type, options }) - 1);
  }

  dismiss(id: string): void {
    this.dismissed.push(this.shown[Number(id)].message);
  }

  /** Presses a button of the message that was shown last. */
  press(label: string): void {
    this.shown
      .at(-1)!
      .options.actions!.find(action => action.label === label)!
      .callback();
  }
}

/** Entries of one folder: names that end in a slash are directories. */
export function entries(prefix: string, names: string[]): ITreeEntry[] {
  return names.map(given => {
    const name = given.replace(/\/$/, '');
    const type = given.endsWith('/') ? 'directory' : 'file';
    return { name, path: prefix + name, type, size_bytes: type === 'file' ? 2048 : null, modified: null };
  });
}

/** A server that holds datasets and folders, fails when told to, and remembers what it was asked. */
export class FakeServer implements IPerijoveClient {
  datasetsHeld: IDataset[] = [dataset('demo', 'Demo images'), dataset('big', 'Big survey')];
  /** Those that no page of the list shows. */
  datasetsHidden: IDataset[] = [];
  /** How many datasets a page of the list has. */
  datasetsAtOnce = 1000;
  /** What a search says beside the datasets. */
  foundHeld: Pick<IDatasetPage, 'facets' | 'catalogues'> = {};
  copiesHeld: ICopy[] = [];
  /** Bytes by `dataset/path`. */
  objects: Record<string, Uint8Array> = {};
  /** Entries by `dataset/path`. */
  folders: Record<string, ITreeEntry[]> = {};
  /** Datasets of archives that know no filter: their pages are cut first, and filtered then. */
  linked: string[] = [];
  /** How many names each page leaves out, by `dataset/path`. */
  skippedHeld: Record<string, number> = {};
  previewHeld: Preview | null = null;
  usageHeld: IUsage | null = null;
  leaseHeld: ILease | null = null;
  noticesHeld: INotice[] = [];
  /** The sentence that every call fails with, if any. */
  trouble: string | null = null;
  /** Calls that come now are answered after this. */
  delay: Promise<void> = Promise.resolve();
  /** What was asked, in order. */
  asked: string[] = [];
  /** The signals of the calls, in order. */
  signals: AbortSignal[] = [];
  readonly compute = new FakeGateways();

  datasets(query: IDatasetQuery, cursor: string | null, signal: AbortSignal): Promise<IDatasetPage> {
    const found = this.datasetsHeld.filter(({ title }) => title.toLowerCase().includes(query.q.toLowerCase()));
    const asked = Object.entries(query).map(([name, value]) => `${name}=${value}`);
    const start = Number(cursor ?? 0);
    const end = start + this.datasetsAtOnce;
    const next = end < found.length ? `datasets?cursor=${end}` : null;
    const call = `datasets?${asked.join('&')}${cursor === null ? '' : `@${start}`}`;
    return this._answer(call, { items: found.slice(start, end), next, ...this.foundHeld }, signal);
  }

  dataset(id: string): Promise<IDataset> {
    const found = [...this.datasetsHeld, ...this.datasetsHidden].find(held => held.id === id);
    return found
      ? this._answer(`dataset ${id}`, found)
      : Promise.reject(new ApiError(404, `There is no dataset ${id}.`));
  }

  copies(id: string, signal: AbortSignal): Promise<IPage<ICopy>> {
    return this._answer(`copies ${id}`, { items: this.copiesHeld, next: null }, signal);
  }

  tree(id: string, { path, cursor, limit, prefix }: ITreeWish, signal?: AbortSignal): Promise<IEntryPage> {
    const fits = ({ name }: ITreeEntry) => name.startsWith(prefix ?? '');
    const held = this.folders[`${id}/${path}`] ?? [];
    const all = this.linked.includes(id) ? held : held.filter(fits);
    const start = Number(cursor ?? 0);
    const next = start + limit < all.length ? `tree?path=${path}&cursor=${start + limit}` : null;
    const asked = `tree ${id}/${path}${prefix ? `?${prefix}` : ''}@${start}`;
    const skipped = this.skippedHeld[`${id}/${path}`] ?? 0;
    return this._answer(asked, { items: all.slice(start, start + limit).filter(fits), next, skipped }, signal);
  }

  head(id: string, path: string): Promise<IObjectHead | null> {
    const size = this.objects[`${id}/${path}`];
    return this._answer(
      `head ${id}/${path}`,
      size === undefined ? null : { size_bytes: size.byteLength, modified: null }
    );
  }

  file(id: string, path: string): Promise<ArrayBuffer> {
    return this._answer(`file ${id}/${path}`, this.objects[`${id}/${path}`].buffer as ArrayBuffer);
  }

  fileUrl(id: string, path: string): string {
    return `/perijove/datasets/${id}/file?path=${path}`;
  }

  preview(id: string, path: string, options: IPreviewOptions, signal: AbortSignal): Promise<Preview> {
    return this._answer(`preview ${id}/${path} ${JSON.stringify(options)}`, this.previewHeld!, signal);
  }

  picture(url: string, signal: AbortSignal): Promise<Blob> {
    return this._answer(`picture ${url}`, new Blob(['png']), signal);
  }

  snippet(id: string, path: string): Promise<ISnippet> {
    return this._answer(`snippet ${id}/${path}`, { language: 'python', code: 'import perijove' });
  }

  usage(): Promise<IUsage> {
    return this._answer('usage', this.usageHeld!);
  }

  keep(minutes: number): Promise<ILease> {
    return this._answer(`keep ${minutes}`, this.leaseHeld!);
  }

  notices(): Promise<IPage<INotice>> {
    return this._answer('notices', { items: this.noticesHeld, next: null });
  }

  private async _answer<T>(call: string, answer: T, signal?: AbortSignal): Promise<T> {
    this.asked.push(call);
    if (signal) {
      this.signals.push(signal);
    }
    const { trouble } = this;
    await this.delay;
    if (trouble !== null) {
      throw new ApiError(502, trouble);
    }
    return answer;
  }
}

const nothing = () => undefined;

/** Buttons of the details that do nothing. */
export const NO_ACTIONS: IDetailsActions = {
  onPreview: nothing,
  onInsertCode: nothing,
  onCopyPath: nothing,
  onShowFolder: nothing,
  onNewCluster: null,
  onCite: nothing
};

/** A Lab that keeps nothing. */
export const NO_STORES: IShelfStores = { state: null, settings: null };

/** Lets promises that are ready be heard. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}
