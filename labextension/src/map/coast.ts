/** Coastlines as an SVG path over a map in longitude and latitude. Pure. */

/** Longitude and latitude in degrees. */
export type Place = readonly [number, number];

/** West, south, east, north in degrees; the east may be beyond 180. */
export type Extent = readonly [number, number, number, number];

/** Where the atlas is cut apart. */
const SEAM_DEGREES = 179.999;

/**
 * The path of lines over a picture of `extent`, north at its upper edge.
 *
 * Lines are drawn again a turn to the east and to the west, so that a map may begin at any longitude; what does not
 * touch the map is left out.
 */
export function coastPath(
  lines: readonly (readonly Place[])[],
  [west, south, east, north]: Extent,
  width: number,
  height: number
): string {
  if (!(east > west && north > south)) {
    return '';
  }
  const pieces: string[] = [];
  for (const turn of [-360, 0, 360]) {
    for (const line of lines) {
      let drawing = false;
      for (let index = 1; index < line.length; index += 1) {
        const [from, to] = [line[index - 1], line[index]];
        if (isSeam(from, to) || isBeside(from, to, turn, [west, south, east, north])) {
          drawing = false;
          continue;
        }
        const at = ([longitude, latitude]: Place) =>
          `${(((longitude + turn - west) / (east - west)) * width).toFixed(1)} ` +
          `${(((north - latitude) / (north - south)) * height).toFixed(1)}`;
        pieces.push(drawing ? `L${at(to)}` : `M${at(from)}L${at(to)}`);
        drawing = true;
      }
    }
  }
  return pieces.join('');
}

/** Whether a segment is an edge of the atlas, or goes round the world to its other edge, and is no coast. */
function isSeam(from: Place, to: Place): boolean {
  if (Math.abs(to[0] - from[0]) > 180) {
    return true;
  }
  const onEdge = ([longitude, latitude]: Place) => Math.abs(longitude) > SEAM_DEGREES || latitude < -89.9;
  return onEdge(from) && onEdge(to);
}

/** Whether a segment is wholly on one side of the map. */
function isBeside(from: Place, to: Place, turn: number, [west, south, east, north]: Extent): boolean {
  const [x1, x2] = [from[0] + turn, to[0] + turn];
  return (
    (x1 < west && x2 < west) ||
    (x1 > east && x2 > east) ||
    (from[1] < south && to[1] < south) ||
    (from[1] > north && to[1] > north)
  );
}
