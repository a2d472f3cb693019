/** Where and when a dataset is, in words. Source: STAC 1.1, Collection, "Extent Object". */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Frame, IExtent } from '../wire';

/** West, south, east, north in degrees. */
export type Box = readonly [number, number, number, number];

/** The box of all of a dataset, without heights; null when there is none that makes sense. */
export function boxOf(extent: IExtent | null | undefined): Box | null {
  const box = extent?.spatial?.bbox?.[0];
  const flat = box?.length === 6 ? [box[0], box[1], box[3], box[4]] : box;
  if (flat?.length !== 4 || !flat.every(value => typeof value === 'number' && Number.isFinite(value))) {
    return null;
  }
  const [west, south, east, north] = flat;
  return south >= -90 && north <= 90 && south <= north ? [west, south, east, north] : null;
}

/** The box of a search, which is four numbers between commas. */
export function boxFrom(text: string): Box {
  const [west, south, east, north] = text.split(',').map(Number);
  return [west, south, east, north];
}

/** A box as `10° W to 30° E, 35° N to 60° N`. */
function boxText([west, south, east, north]: Box, trans: TranslationBundle): string {
  return trans.__('%1 to %2, %3 to %4', longitude(west), longitude(east), latitude(south), latitude(north));
}

/** A box of the sky, in right ascension and declination. */
function skyBoxText([west, south, east, north]: Box, trans: TranslationBundle): string {
  return trans.__('RA %1° to %2°, Dec %3° to %4°', west, east, south, north);
}

/** A box of either in words. */
export function areaText(box: Box, frame: Frame | undefined, trans: TranslationBundle): string {
  return frame === 'sky' ? skyBoxText(box, trans) : boxText(box, trans);
}

/** Whether a box is all of the Earth; catalogues say so, too, of what is not on it. */
export function isWholeWorld([west, south, east, north]: Box): boolean {
  return east - west >= 359 && north - south >= 179;
}

/** The time span of all of a dataset, by days; empty when it is not known. */
export function spanText(extent: IExtent | null | undefined, trans: TranslationBundle): string {
  const [first, last] = extent?.temporal?.interval?.[0] ?? [];
  return daysText(day(first), day(last), trans);
}

/** Two days as a span; empty: it is open there. */
export function daysText(since: string, until: string, trans: TranslationBundle): string {
  if (since && until) {
    return since === until ? since : trans.__('%1 to %2', since, until);
  }
  return since ? trans.__('since %1', since) : until && trans.__('until %1', until);
}

/** The day of a time in UTC, as ISO 8601 writes it; empty for no or an unreadable time. */
function day(time: string | null | undefined): string {
  const milliseconds = Date.parse(time ?? '');
  return Number.isNaN(milliseconds) ? '' : new Date(milliseconds).toISOString().slice(0, 10);
}

function longitude(value: number): string {
  const turned = value > 180 ? value - 360 : value;
  return `${round(turned)}° ${turned < 0 ? 'W' : 'E'}`;
}

function latitude(value: number): string {
  return `${round(value)}° ${value < 0 ? 'S' : 'N'}`;
}

function round(value: number): number {
  return Math.round(Math.abs(value) * 100) / 100;
}
