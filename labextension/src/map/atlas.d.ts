/** The bundler hands over the atlas as an object; its type is said here, since tsc would work it out of every number. */
declare module 'world-atlas/land-110m.json' {
  import type { Topology } from 'topojson-specification';

  const topology: Topology;
  export default topology;
}
