import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { IPoint, pointAfter, pointUnder } from './pointer';

/** Steps of an arrow key across a picture; with Shift it moves by one pixel. */
const STEPS_ACROSS = 50;

/** What a picture needs. */
export interface IPictureProps {
  url: string | null;
  /** In the picture's own pixels. */
  width: number;
  height: number;
  alt: string;
  actualSize: boolean;
  /** What is known of a point, in a few words each. */
  tell: (point: IPoint) => string[];
  /** Drawn over the picture, in its own pixels. */
  children?: React.ReactNode;
  trans: TranslationBundle;
}

/** A picture that tells what is under the pointer, or under a cross that the arrow keys move. */
export function Picture(props: IPictureProps): React.ReactElement {
  const { width, height, actualSize, trans } = props;
  const [point, setPoint] = React.useState<IPoint | null>(null);
  const [byKeys, setByKeys] = React.useState(false);
  const stage = React.useRef<HTMLDivElement>(null);

  const onPointerMove = (event: React.PointerEvent) => {
    const box = stage.current?.getBoundingClientRect();
    if (box) {
      setPoint(pointUnder({ x: event.clientX - box.left, y: event.clientY - box.top }, box, { width, height }));
      setByKeys(false);
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    // at full size the arrow keys scroll
    const step = event.shiftKey ? 1 : Math.max(Math.max(width, height) / STEPS_ACROSS, 1);
    const next = actualSize ? null : pointAfter(event.key, byKeys ? point : null, { width, height }, step);
    if (next) {
      event.preventDefault();
      setPoint(next);
      setByKeys(true);
    }
  };

  return (
    <div className="pj-Picture">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys move a cross over it */}
      <figure
        className="pj-Preview-figure"
        data-zoom={actualSize ? 'actual' : 'fit'}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <div
          className="pj-Picture-stage"
          ref={stage}
          onPointerMove={onPointerMove}
          onPointerLeave={() => !byKeys && setPoint(null)}
        >
          {props.url && <img src={props.url} width={width} height={height} alt={props.alt} />}
          <svg className="pj-Picture-overlay" viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
            {/* of its own, so that nothing is drawn beside the picture */}
            {props.url && props.children && (
              <svg width={width} height={height}>
                {props.children}
              </svg>
            )}
            {byKeys && point && (
              <path
                className="pj-Picture-cross"
                d={`M${point.x} 0V${height}M0 ${point.y}H${width}`}
                vectorEffect="non-scaling-stroke"
              />
            )}
          </svg>
        </div>
      </figure>
      <p className="pj-Picture-readout" aria-live={byKeys ? 'polite' : 'off'}>
        {point
          ? props.tell(point).map(part => <span key={part}>{part}</span>)
          : actualSize
            ? trans.__('Point at the picture to read positions.')
            : trans.__('Point at the picture, or use the arrow keys in it, to read positions.')}
      </p>
    </div>
  );
}
