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
  /** What moving all of the dataset to the caller's site would cost; null: nobody knows. */
  egress_cost: number | null;
}

/** Who made, processed or hosts a dataset. */
export interface IProvider {
  name: string;
  roles: string[];
  url: string | null;
}

/** Where and when, as a STAC collection says it. */
export interface IExtent {
  /** Boxes as west, south, east, north in degrees (or six numbers, with heights); the first is all of it. */
  spatial?: { bbox?: number[][] };
  /** Spans as two times; null where one is open. The first is all of it. */
  temporal?: { interval?: (string | null)[][] };
  /** `sky`: the boxes are right ascension and declination; absent: they are on the Earth. */
  frame?: Frame;
}

/** What a box is a box of. */
export type Frame = 'earth' | 'sky';

/** A named collection of objects. What is optional is absent from a platform of an older version. */
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
  extent?: IExtent | null;
  delivery: 'direct' | 'proxied' | 'linked';
  replicas: IReplica[];
  /** The id of the catalogue that lists it; `platform` for the platform's own. */
  catalogue?: string;
  /** How to cite it, in BibTeX. */
  citation?: string | null;
  /** Its page on the web. */
  landing_url?: string | null;
  /** When it is opened to everybody; null when it is not closed. */
  embargo_until?: string | null;
  /** False: this user may know of it and not read it. */
  readable?: boolean;
}

/** A catalogue that datasets come from, and how it was when it was last asked. */
export interface ICatalogue {
  id: string;
  title: string;
  kind: string;
  /** `stale` and `dead`: what is listed was heard some time ago; `pending`: it has not answered yet. */
  state: 'live' | 'stale' | 'dead' | 'pending';
  /** Why it is not live, in one sentence. */
  error: string | null;
  /** When it was last read. */
  harvested: string | null;
  /** How many datasets are known of it. */
  datasets: number;
}

/** By what datasets can be narrowed down. */
export type FacetName = 'catalogue' | 'format' | 'provider' | 'licence' | 'keyword';

/** One value of a facet and how many of the found datasets have it. */
export interface IFacetValue {
  value: string;
  title: string;
  count: number;
}

/** Facets by name. */
export type Facets = Partial<Record<FacetName, IFacetValue[]>>;

/** One page of a search. `facets` are on the first page only; older servers have neither. */
export interface IDatasetPage extends IPage<IDataset> {
  facets?: Facets;
  catalogues?: ICatalogue[];
}

/** Which datasets are searched for; what is absent does not narrow. The values of one facet are alternatives. */
export interface IDatasetQuery extends Partial<Record<FacetName, readonly string[]>> {
  /** Words. */
  q: string;
  /** West, south, east, north in degrees, between commas. */
  bbox?: string;
  /** What `bbox` is a box of; absent: of the Earth. */
  frame?: Frame;
  /** Days as `2026-01-31`. */
  since?: string;
  until?: string;
}

/** A copy of a dataset as this session has measured it. */
export interface ICopy {
  id: string;
  site: string | null;
  region: string;
  rank: number;
  /** `used`: what is read comes from here. */
  state: 'used' | 'ready' | 'down' | 'unknown';
  latency_ms: number | null;
  megabytes_second: number | null;
  /** What moving all of the dataset from here to this session would cost; null: nobody knows. */
  egress_cost: number | null;
}

/** A file or a directory of a dataset; `path` is below the dataset, without slashes at its ends. */
export interface ITreeEntry {
  name: string;
  path: string;
  type: 'file' | 'directory';
  size_bytes: number | null;
  modified: string | null;
}

/** One page of a directory; `skipped` names beside its items can be no paths, and are left out. */
export interface IEntryPage extends IPage<ITreeEntry> {
  skipped: number;
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

/** Coordinates on the sky at the crossings of a grid over a picture; what is between them is interpolated. */
export interface ISkyGrid {
  frame: string;
  /** Pixels of the picture, from its left and upper edge. */
  x: number[];
  y: number[];
  /** Degrees, a row for each `y`; null where there is no sky. */
  longitude: (number | null)[][];
  latitude: (number | null)[][];
}

/** Which part of a plane a picture shows, in pixels of the plane as it is drawn. */
export interface IPlanePart {
  /** Of the whole plane. */
  columns: number;
  rows: number;
  /** From the left and upper edge of the whole plane. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** Whether the plane's first row is drawn lowest. */
  upward: boolean;
  /** Whether not all that the picture could show was read. */
  partial: boolean;
}

/** A picture: of an array and drawn by the server, or one that is a picture already. */
export interface IImageContent {
  /** Relative to the extension's base, `perijove/`. */
  url: string;
  /** Width and height of the picture, in its own pixels. */
  width: number;
  height: number;
  /** The array's axes in NumPy's order: rows, columns. */
  shape: number[];
  /** The unit of a FITS file; absent elsewhere, as all that follows may be. */
  hdu?: number | null;
  hdus?: IHdu[];
  header?: IHeaderCard[];
  stretch?: Stretch | null;
  scale?: Scale | null;
  colormap?: Colormap | null;
  /** The values that are drawn darkest and brightest. */
  limits?: [number, number] | null;
  unit?: string | null;
  /** What the reader should know of how the picture was made, for example which rows were skipped. */
  note?: string | null;
  sky?: ISkyGrid | null;
  /** With it, other parts of the plane can be asked for. */
  part?: IPlanePart | null;
}

/** A name and a value in words. */
export interface IAttribute {
  name: string;
  value: string;
}

/** A column of a table. */
export interface IColumn {
  name: string;
  type: string;
  unit?: string | null;
  description?: string | null;
}

/** A value in a table. */
export type Cell = string | number | boolean | null;

/** Some rows of a table. */
export interface ITableContent {
  columns: IColumn[];
  rows: Cell[][];
  /** The number of the first of these rows, from 0. */
  first_row: number;
  /** Null when it is not known without reading all of it. */
  total_rows: number | null;
  attributes?: IAttribute[];
  note?: string | null;
  /** A FITS file's. */
  hdu?: number | null;
  hdus?: IHdu[];
}

/** A group, an array or a field (a message of GRIB) of a file. */
export interface IFileNode {
  /** Its name in the file, as `/a/b`. */
  path: string;
  name: string;
  kind: 'group' | 'array' | 'field';
  type?: string | null;
  shape?: number[] | null;
  unit?: string | null;
  note?: string | null;
  attributes?: IAttribute[];
}

/** An axis of what is drawn, slowest first. `index` is where it is cut; null: it runs along the picture or plot. */
export interface IAxis {
  name: string;
  size: number;
  index: number | null;
}

/** A line of what has one axis; null is a gap. */
export interface IPlot {
  x: number[];
  y: (number | null)[];
  x_label: string;
  y_label: string;
}

/** What is drawn of a node: a picture (then `url` of the content has it) or a plot. */
export interface IDrawing {
  node: string;
  axes: IAxis[];
  width?: number | null;
  height?: number | null;
  plot?: IPlot | null;
  limits?: [number, number] | null;
  unit?: string | null;
  /** West, south, east, north in degrees, where the picture is a map in longitude and latitude. */
  extent?: [number, number, number, number] | null;
  /** With it, other parts of the plane can be asked for. */
  part?: IPlanePart | null;
  note?: string | null;
}

/** The nodes of a file, parents before children, and what is drawn of one of them. */
export interface ITreeContent {
  url?: string;
  nodes: IFileNode[];
  truncated: boolean;
  drawing?: IDrawing | null;
  note?: string | null;
}

/** The beginning of a text. */
export interface ITextContent {
  text: string;
  truncated: boolean;
  /** Null when it is not known without reading all of it. */
  total_bytes: number | null;
  note?: string | null;
  /** A FITS file's, of which it is the header of a unit. */
  hdu?: number | null;
  hdus?: IHdu[];
}

/** What every preview says, whatever its kind. */
interface IPreviewCommon {
  format: string;
  title: string;
  /** How many bytes the look has moved, in how many requests to the store. */
  bytes_read: number;
  requests: number;
  /** Whether it was made before, so that nothing of the object was moved. */
  kept?: boolean;
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

/** A preview that shows rows. */
export interface ITablePreview extends IPreviewCommon {
  kind: 'table';
  content: ITableContent;
}

/** A preview that shows what a file is made of. */
export interface ITreePreview extends IPreviewCommon {
  kind: 'tree';
  content: ITreeContent;
}

/** A look into one object without a download. */
export type Preview = IImagePreview | ITextPreview | ITablePreview | ITreePreview;

/** What to show and how to draw it; what is absent is the server's choice. */
export interface IPreviewOptions {
  hdu?: number;
  stretch?: Stretch;
  scale?: Scale;
  colormap?: Colormap;
  /** The node of a tree to draw. */
  node?: string;
  /** Where its leading axes are cut. */
  index?: number[];
  /** The number of the first row of a table, from 0. */
  first_row?: number;
  /** Of a picture: x, y, width and height of a part, in pixels of the whole as it is drawn. */
  window?: readonly number[];
  /** The values to be drawn darkest and brightest, instead of what `scale` finds. */
  limits?: readonly [number, number];
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

/** What one workload may use at once. */
export interface IResources {
  cpu: number;
  memory_gib: number;
  gpu?: number;
}

/** A site that could run a workload, the best first, or one that cannot; `reasons` say why. */
export interface IPlace {
  site: string;
  title: string;
  reasons: string[];
  /** What the workload costs there per hour. */
  cost_hour?: number;
}

/** Why a workload runs where it runs. */
export interface IExplanation {
  summary: string;
  candidates?: IPlace[];
  rejected?: IPlace[];
}

/** The lease of the session that this Lab runs in, as far as it is shown. */
export interface ILease {
  id: string;
  kind?: 'session' | 'cluster' | 'worker' | 'job';
  /** The name of the server or of the cluster; empty for the default server. */
  name?: string;
  profile?: string;
  /** The group whose allocation pays. */
  charge_to?: string | null;
  state?: 'offered' | 'starting' | 'active' | 'ended' | 'expired' | 'failed';
  resources?: IResources;
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
  explanation: IExplanation;
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

/** What people call what has a name in the platform file. */
export interface ITitles {
  sites: Record<string, string>;
  profiles: Record<string, string>;
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
  /** What people call sites and profiles, by their names, as far as that is known. */
  titles?: ITitles;
  /** When the server last told of a change of a cluster, by which a Lab sees that it has missed one; null: not yet. */
  clusters_told_at?: string | null;
}
