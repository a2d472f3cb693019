/** The coasts of the world, from Natural Earth at 1:110 million. Large: to be loaded when it is needed only. */

import { mesh } from 'topojson-client';
import topology from 'world-atlas/land-110m.json';
import type { Place } from './coast';

/** All coasts, each as a line of places. */
export const COASTS: readonly (readonly Place[])[] = mesh(topology).coordinates as unknown as Place[][];
