/** Where a pixel is on the sky, by interpolation in a grid of known points. Pure. */

import type { ISkyGrid } from '../wire';

/** Degrees. */
export interface ISkyPosition {
  longitude: number;
  latitude: number;
}

/** The position of a point of the picture, or null where the grid has none. */
export function skyAt(grid: ISkyGrid, x: number, y: number): ISkyPosition | null {
  const [column, right] = cellOf(grid.x, x);
  const [row, down] = cellOf(grid.y, y);
  const corners: [number, number, number][] = [
    [row, column, (1 - down) * (1 - right)],
    [row, column + 1, (1 - down) * right],
    [row + 1, column, down * (1 - right)],
    [row + 1, column + 1, down * right]
  ];
  // Longitudes have a seam and no meaning at the poles: what is averaged are unit vectors, which have neither.
  const sum = [0, 0, 0];
  for (const [cornerRow, cornerColumn, weight] of corners.filter(([, , share]) => share !== 0)) {
    const longitude = grid.longitude[cornerRow]?.[cornerColumn] ?? null;
    const latitude = grid.latitude[cornerRow]?.[cornerColumn] ?? null;
    if (longitude === null || latitude === null) {
      return null;
    }
    const [alpha, delta] = [radians(longitude), radians(latitude)];
    sum[0] += weight * Math.cos(delta) * Math.cos(alpha);
    sum[1] += weight * Math.cos(delta) * Math.sin(alpha);
    sum[2] += weight * Math.sin(delta);
  }
  const longitude = degrees(Math.atan2(sum[1], sum[0]));
  return {
    longitude: longitude < 0 ? longitude + 360 : longitude,
    latitude: degrees(Math.atan2(sum[2], Math.hypot(sum[0], sum[1])))
  };
}

/** The last grid line at or before `value` and how far `value` is towards the next, as a share. */
function cellOf(lines: readonly number[], value: number): [number, number] {
  let index = 0;
  while (index < lines.length - 2 && lines[index + 1] <= value) {
    index += 1;
  }
  const width = lines[index + 1] - lines[index];
  return [index, width > 0 ? (value - lines[index]) / width : 0];
}

/** Whether longitudes of a frame are right ascensions, which are written in hours. */
export function isEquatorial(frame: string): boolean {
  return /^(icrs|fk[45]|gcrs|cirs|equatorial)/i.test(frame);
}

/** Right ascension and declination as `13h41m42.33s +28°22′32.8″`. */
export function sexagesimal({ longitude, latitude }: ISkyPosition): string {
  const [hours, minutes, seconds] = parts(longitude / 15, 2, 24);
  const [degrees_, arcMinutes, arcSeconds] = parts(Math.abs(latitude), 1, Infinity);
  const sign = latitude < 0 ? '−' : '+';
  return `${hours}h${minutes}m${seconds}s ${sign}${degrees_}°${arcMinutes}′${arcSeconds}″`;
}

/** Longitude and latitude in degrees with five decimals, which is 0.04 seconds of arc. */
export function decimal({ longitude, latitude }: ISkyPosition): string {
  const sign = latitude < 0 ? '−' : '+';
  return `${(Number(longitude.toFixed(5)) % 360).toFixed(5)}° ${sign}${Math.abs(latitude).toFixed(5)}°`;
}

/** A value in wholes, sixtieths and their sixtieths, rounded as one number so that no part is 60. */
function parts(value: number, decimals: number, turn: number): [string, string, string] {
  const unit = 10 ** decimals;
  let total = Math.round(value * 3600 * unit);
  if (total >= turn * 3600 * unit) {
    total = 0;
  }
  const whole = Math.floor(total / (3600 * unit));
  const sixtieths = Math.floor(total / (60 * unit)) % 60;
  const rest = (total % (60 * unit)) / unit;
  const pad = (number: number) => String(number).padStart(2, '0');
  return [pad(whole), pad(sixtieths), rest.toFixed(decimals).padStart(decimals + 3, '0')];
}

function radians(angle: number): number {
  return (angle * Math.PI) / 180;
}

function degrees(angle: number): number {
  return (angle * 180) / Math.PI;
}
