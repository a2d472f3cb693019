/** Axes and line of a plot. Pure. */

/** A span of values. */
export type Span = readonly [number, number];

/** Round numbers within a span, about `count` of them. */
export function ticksOf([low, high]: Span, count: number): number[] {
  const width = high - low;
  if (!(width > 0) || !Number.isFinite(width)) {
    return [low];
  }
  const rough = width / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= rough * 0.999) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/** The span of the values that are there, made a little wider; from 0 to 1 when there are none. */
export function spanOf(values: readonly (number | null)[], margin = 0): Span {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value !== null) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) {
    return [0, 1];
  }
  const wider = high > low ? (high - low) * margin : Math.abs(low) * 0.1 || 1;
  return [low - wider, high + wider];
}

/** A function from a span of values to pixels. */
export function scaleOf([low, high]: Span, [start, stop]: Span): (value: number) => number {
  return value => start + ((value - low) / (high - low || 1)) * (stop - start);
}

/** The line through the points as an SVG path, broken where a value is missing; a point alone is a dot. */
export function linePath(
  x: readonly number[],
  y: readonly (number | null)[],
  toX: (value: number) => number,
  toY: (value: number) => number
): string {
  const pieces: string[] = [];
  y.forEach((value, index) => {
    if (value === null) {
      return;
    }
    const at = `${toX(x[index]).toFixed(1)} ${toY(value).toFixed(1)}`;
    const goesOn = index > 0 && y[index - 1] !== null;
    const alone = !goesOn && (y[index + 1] ?? null) === null;
    pieces.push(goesOn ? `L${at}` : alone ? `M${at}h0.1` : `M${at}`);
  });
  return pieces.join('');
}

/** The index of the point that is nearest to a value of x; -1 when there is none. */
export function nearestIndex(x: readonly number[], value: number): number {
  let best = -1;
  x.forEach((candidate, index) => {
    if (best < 0 || Math.abs(candidate - value) < Math.abs(x[best] - value)) {
      best = index;
    }
  });
  return best;
}

/** A number with at most `digits` significant digits. */
export function shortNumber(value: number, digits = 5): string {
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? rounded.toExponential().replace('e+', 'e') : String(rounded);
}
