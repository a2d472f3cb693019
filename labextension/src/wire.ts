/**
 * What the server extension says over HTTP, as TypeScript types.
 *
 * The models themselves live in `server_ext/perijove/models`; names and meanings are the same here. Times are
 * ISO 8601 strings in UTC, money is in the platform's currency.
 */

/** One page of a list; `next` is a URL that holds the cursor of the following page, or null on the last. */
export interface IPage<Item> {
  items: Item[];
  next: string | null;
}

/** One copy of a dataset, ranked for the caller's site: 0 is the nearest. */
export interface IReplica {
  id: string;
  site: string | null;
  region: string;
  url: string;
  endpoint: string | null;
  rank: number;
  /** What moving all of the dataset to the caller's site would cost. */
  egress_cost: number;
}

/** Who made, processed or hosts a dataset. */
export interface IProvider {
  name: string;
  roles: string[];
  url: string | null;
}

/** A named collection of objects. */
export interface IDataset {
  id: string;
  title: string;
  description: string;
  licence: string;
  attribution: string | null;
  doi: string | null;
  keywords: string[];
  providers: IProvider[];
  formats: string[];
  size_bytes: number | null;
  delivery: 'direct' | 'proxied';
  replicas: IReplica[];
}

/** A file or a directory of a dataset; `path` is below the dataset, without slashes at its ends. */
export interface ITreeEntry {
  name: string;
  path: string;
  type: 'file' | 'directory';
  size_bytes: number | null;
  modified: string | null;
}

/** How pixel values become brightness. */
export type Stretch = 'linear' | 'sqrt' | 'log' | 'asinh';

/** Which pixel values are drawn as black and white. */
export type Scale = 'zscale' | 'minmax' | 'percentile';

/** The colours of a picture. */
export type Colormap = 'gray' | 'viridis' | 'inferno';

/** One header-data unit of a FITS file. */
export interface IHdu {
  index: number;
  name: string;
  type: string;
  /** The array's axes in NumPy's order, or null for a unit without an array. */
  shape: number[] | null;
}

/** One line of a FITS header. */
export interface IHeaderCard {
  keyword: string;
  value: string | number | boolean | null;
  comment: string;
}

/** A picture of an array, drawn by the server. */
export interface IImageContent {
  /** Relative to the extension's base, `perijove/`. */
  url: string;
  /** Width and height of the picture, in its own pixels. */
  width: number;
  height: number;
  /** The array's axes in NumPy's order: rows, columns. */
  shape: number[];
  hdu: number;
  hdus: IHdu[];
  header: IHeaderCard[];
  stretch: Stretch;
  scale: Scale;
  colormap: Colormap;
  /** What the reader should know of how the picture was made, for example which rows were skipped. */
  note: string | null;
}

/** The beginning of a text. */
export interface ITextContent {
  text: string;
  truncated: boolean;
  total_bytes: number;
}

/** What every preview says, whatever its kind. */
interface IPreviewCommon {
  format: string;
  title: string;
  /** How many bytes the look has moved, in how many requests to the store. */
  bytes_read: number;
  requests: number;
}

/** A preview that shows a picture. */
export interface IImagePreview extends IPreviewCommon {
  kind: 'image';
  content: IImageContent;
}

/** A preview that shows text. */
export interface ITextPreview extends IPreviewCommon {
  kind: 'text';
  content: ITextContent;
}

/** A preview of a kind that this version cannot draw. */
export interface IOtherPreview extends IPreviewCommon {
  kind: 'table' | 'tree';
  content: Record<string, unknown>;
}

/** A look into one object without a download. */
export type Preview = IImagePreview | ITextPreview | IOtherPreview;

/** How to draw an image; what is absent is the server's choice. */
export interface IPreviewOptions {
  hdu?: number;
  stretch?: Stretch;
  scale?: Scale;
  colormap?: Colormap;
}

/** Code that opens an object or a dataset. */
export interface ISnippet {
  language: string;
  code: string;
}

/** One limit and how much of it is used. What is optional is absent from a platform of an older version. */
export interface IQuota {
  name: string;
  resource: string;
  unit: string;
  limit: number;
  used: number;
  /** The part of `used` that running sessions hold for what they will use next. */
  reserved?: number;
  per: string;
  /** Whom it binds: `user:NAME`, `group:NAME`, `class:NAME`, `site:NAME` or `platform`. */
  subject?: string;
  /** Null for a limit on what is held now; else the window over which use adds up, such as "month". */
  window: string | null;
  window_end: string | null;
  on_exhaustion?: 'deny' | 'stop';
  /** When it will be used up if what runs now goes on; null when it will not. */
  empty_at?: string | null;
  /** Who changed the limit and until when; null when nobody did. */
  override?: string | null;
  state: 'ok' | 'warning' | 'exhausted';
}

/** The lease of the session that this Lab runs in, as far as it is shown. */
export interface ILease {
  id: string;
  site: string | null;
  started: string | null;
  cost: number;
  cost_hour?: number;
  /** When the session is stopped because its time is over; null when it is not. */
  ends_at?: string | null;
  /** When it is stopped because nothing runs in it. */
  idle_stop_at?: string | null;
  /** When it is stopped because a limit is used up. */
  quota_stop_at?: string | null;
  /** When it is stopped because its owner is no longer in the group that it needs. */
  allowed_stop_at?: string | null;
  /** How often its owner may still put off the end of its time. */
  keeps_left?: number;
  explanation: { summary: string };
}

/** Something that the platform has to say to this user. */
export interface INotice {
  id: number;
  created: string;
  expires: string | null;
  severity: 'info' | 'warning' | 'error';
  topic: string;
  /** Plain text. */
  message: string;
  lease: string | null;
  /** By how many minutes the user may put off what it announces; null when that cannot be done from here. */
  keep_minutes: number | null;
}

/** What the user holds and may hold. */
export interface IUsage {
  quotas: IQuota[];
  lease: ILease | null;
  /** Null when the platform does not say. */
  currency: string | null;
  /** Those in force, oldest first. */
  notices: INotice[];
  /** Where a browser finds the platform's pages, with a slash at its end; null where there is no hub. */
  pages: string | null;
  /** Whether this session was started with a full home, to clean it up. */
  rescue: boolean;
}
