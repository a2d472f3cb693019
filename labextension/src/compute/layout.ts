/** Which plots are opened together. Pure. */

import type { IDashboardPlot } from './wire';

/** What tells most, in this order; titles differ a little between versions of Dask. */
const USEFUL = [/^(individual )?task stream$/i, /^(individual )?progress$/i, /^(individual )?workers?$/i];

/** The titles of the most useful of these plots. */
export function layoutOf(plots: readonly IDashboardPlot[]): string[] {
  return USEFUL.flatMap(pattern => plots.find(({ title }) => pattern.test(title))?.title ?? []);
}
