/** Addresses that come from the catalogue, made safe to click. */

/** The address of a DOI such as `10.5270/esa-igeq1`, also when it is given as a whole address. */
export function doiUrl(doi: string): string {
  const name = doi.replace(/^(https?:\/\/(dx\.)?doi\.org\/|doi:)/i, '');
  return `https://doi.org/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** The address itself when a browser may open it, or null: a catalogue must not run script by a link. */
export function safeUrl(url: string | null): string | null {
  return url !== null && /^https?:\/\//i.test(url) ? url : null;
}

/** What users give to `perijove.open` and to any fsspec-aware library. */
export function perijoveUrl(dataset: string, path: string): string {
  return path ? `perijove://${dataset}/${path}` : `perijove://${dataset}`;
}

/** Where the platform's pages are, an address of the web or a path at this host, or null. */
export function safePage(url: string | null): string | null {
  return url !== null && /^\/(?![/\\])/.test(url) ? url : safeUrl(url);
}
