import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IPlot } from '../wire';
import { linePath, nearestIndex, scaleOf, shortNumber, spanOf, ticksOf } from './ticks';

/** Pixels about the plot, for labels. */
const MARGIN = { top: 12, right: 16, bottom: 44, left: 76 };

/** Pixels between two labels, about. */
const TICK_PIXELS = { x: 90, y: 44 };

/** Room above and below the line, as a share of its height. */
const ROOM = 0.05;

/** What the view of a plot needs. */
export interface IPlotViewProps {
  plot: IPlot;
  title: string;
  trans: TranslationBundle;
}

/** One line with its axes, and the values under the pointer or under a mark that the arrow keys move. */
export function PlotView({ plot, title, trans }: IPlotViewProps): React.ReactElement {
  const frame = React.useRef<HTMLElement>(null);
  const { width, height } = useSize(frame);
  const [at, setAt] = React.useState(-1);
  const [byKeys, setByKeys] = React.useState(false);
  const scales = React.useMemo(() => scalesOf(plot, width, height), [plot, width, height]);

  const onPointerMove = (event: React.PointerEvent) => {
    const left = frame.current?.getBoundingClientRect().left ?? 0;
    setAt(nearestIndex(plot.x, scales.valueOf(event.clientX - left)));
    setByKeys(false);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -50, PageDown: 50 };
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      setAt(Math.min(Math.max(at + step, 0), plot.x.length - 1));
      setByKeys(true);
    }
  };
  const value = plot.y[at] ?? null;
  return (
    <div className="pj-Picture">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys move a mark along it */}
      <figure
        className="pj-Plot"
        ref={frame}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- so that the keys reach the mark
        tabIndex={0}
        aria-label={trans.__('%1 of %2 over %3, %4 points', plot.y_label || title, title, plot.x_label, plot.x.length)}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
        onPointerLeave={() => !byKeys && setAt(-1)}
      >
        <svg width={width} height={height} aria-hidden="true">
          <Axes plot={plot} scales={scales} width={width} height={height} />
          <path className="pj-Plot-line" d={linePath(plot.x, plot.y, scales.toX, scales.toY)} />
          {at >= 0 && value !== null && (
            <circle className="pj-Plot-mark" cx={scales.toX(plot.x[at])} cy={scales.toY(value)} r={4} />
          )}
        </svg>
      </figure>
      <p className="pj-Picture-readout" aria-live={byKeys ? 'polite' : 'off'}>
        {at >= 0 ? (
          <>
            <span>{`${plot.x_label || 'x'}: ${shortNumber(plot.x[at], 9)}`}</span>
            <span>{`${plot.y_label || 'y'}: ${value === null ? trans.__('no value') : shortNumber(value, 9)}`}</span>
          </>
        ) : (
          trans.__('Point at the line, or use the arrow keys in it, to read values.')
        )}
      </p>
    </div>
  );
}

interface IScales {
  toX: (value: number) => number;
  toY: (value: number) => number;
  /** The value of x at a pixel. */
  valueOf: (pixel: number) => number;
  xTicks: number[];
  yTicks: number[];
}

function scalesOf(plot: IPlot, width: number, height: number): IScales {
  const [x, y] = [spanOf(plot.x), spanOf(plot.y, ROOM)];
  const across = [MARGIN.left, Math.max(width - MARGIN.right, MARGIN.left + 1)] as const;
  const down = [Math.max(height - MARGIN.bottom, MARGIN.top + 1), MARGIN.top] as const;
  return {
    toX: scaleOf(x, across),
    toY: scaleOf(y, down),
    valueOf: scaleOf(across, x),
    xTicks: ticksOf(x, (across[1] - across[0]) / TICK_PIXELS.x),
    yTicks: ticksOf(y, (down[0] - down[1]) / TICK_PIXELS.y)
  };
}

interface IAxesProps {
  plot: IPlot;
  scales: IScales;
  width: number;
  height: number;
}

function Axes({ plot, scales, width, height }: IAxesProps): React.ReactElement {
  const bottom = height - MARGIN.bottom;
  const middle = (MARGIN.top + bottom) / 2;
  return (
    <>
      {scales.xTicks.map(tick => (
        <g key={`x${tick}`} transform={`translate(${scales.toX(tick)} 0)`}>
          <path className="pj-Plot-grid" d={`M0 ${MARGIN.top}V${bottom}`} />
          <text y={bottom + 16} textAnchor="middle">
            {shortNumber(tick)}
          </text>
        </g>
      ))}
      {scales.yTicks.map(tick => (
        <g key={`y${tick}`} transform={`translate(0 ${scales.toY(tick)})`}>
          <path className="pj-Plot-grid" d={`M${MARGIN.left} 0H${width - MARGIN.right}`} />
          <text x={MARGIN.left - 8} dy="0.35em" textAnchor="end">
            {shortNumber(tick)}
          </text>
        </g>
      ))}
      <text x={(MARGIN.left + width - MARGIN.right) / 2} y={height - 8} textAnchor="middle">
        {plot.x_label}
      </text>
      <text transform={`translate(14 ${middle}) rotate(-90)`} textAnchor="middle">
        {plot.y_label}
      </text>
    </>
  );
}

/** The size of an element in pixels, as it changes. */
function useSize(element: React.RefObject<HTMLElement>): { width: number; height: number } {
  const [size, setSize] = React.useState({ width: 640, height: 320 });
  React.useLayoutEffect(() => {
    const node = element.current;
    if (!node) {
      return undefined;
    }
    const observer = new ResizeObserver(() => {
      if (node.clientWidth > 0) {
        setSize({ width: node.clientWidth, height: node.clientHeight });
      }
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
