import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IPlanePart } from '../wire';
import { useGestures, useSize } from './gestures';
import type { PreviewModel } from './model';
import { IPoint, ISize, pointAfter } from './pointer';
import {
  centred,
  IRect,
  IView,
  moved,
  placed,
  pointAt,
  scaleOf,
  seen,
  wantedWindow,
  wholeOf,
  zoomed
} from './viewport';
import { ZoomButtons } from './zoom';

/** Steps of an arrow key across what is seen; with Shift it moves by one pixel. */
const STEPS_ACROSS = 50;
const STEPS_ACROSS_ZOOMED = 10;

/** What a picture needs. */
export interface IPictureProps {
  model: PreviewModel;
  /** In the picture's own pixels. */
  width: number;
  height: number;
  /** What the picture shows; other parts of that plane are asked for. */
  part: IPlanePart;
  alt: string;
  /** What is known of a point of the plane, in a few words each. */
  tell: (point: IPoint) => string[];
  /** Drawn over the picture, in its own pixels. */
  children?: React.ReactNode;
  trans: TranslationBundle;
}

/**
 * A picture to zoom and move in, which gets sharper where one looks. It tells what is under the pointer, or under a
 * cross that the arrow keys move.
 */
export function Picture(props: IPictureProps): React.ReactElement {
  const { model, part, width, trans } = props;
  const stage = React.useRef<HTMLDivElement>(null);
  const box = useSize(stage);
  const [view, setView] = React.useState<IView>(() => wholeOf(part));
  const [point, setPoint] = React.useState<IPoint | null>(null);
  const [byKeys, setByKeys] = React.useState(false);
  const zoom = (factor: number, at?: IPoint) => setView(old => zoomed(old, part, box, factor, at));
  const scale = scaleOf(view, part, box);

  const { url, refined } = { url: model.pictureUrl, refined: model.refined };
  React.useEffect(() => {
    if (url && box.width > 0) {
      model.refine(view.zoom > 1 ? wantedWindow(seen(view, part, box), { part, width }, refined, model.awaited) : null);
    }
  }, [model, url, refined, view, part, width, box]);

  const onStage = useGestures(stage, {
    zoom: (factor, at) => {
      const next = zoomed(view, part, box, factor, pointAt(view, part, box, at) ?? undefined);
      setView(next);
      return next.zoom !== view.zoom;
    },
    move: by => setView(old => moved(old, part, box, by)),
    point: at => {
      if (at || !byKeys) {
        setPoint(at && pointAt(view, part, box, at));
        setByKeys(false);
      }
    }
  });

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const cross = byKeys && point ? point : middleOf(seen(view, part, box));
    const steps = view.zoom > 1 ? STEPS_ACROSS_ZOOMED : STEPS_ACROSS;
    const { width: across, height: down } = seen(view, part, box);
    const step = event.shiftKey ? 1 : Math.max(Math.round(Math.max(across, down) / steps), 1);
    const size: ISize = { width: part.columns, height: part.rows };
    const next = pointAfter(event.key, cross, size, byKeys && point ? step : 0);
    if (next) {
      setPoint(next);
      setByKeys(true);
      setView(old => centred(old, part, box, next));
    } else if (event.key === '+' || event.key === '=') {
      zoom(2, cross);
    } else if (event.key === '-' || event.key === '_') {
      zoom(0.5, cross);
    } else if (event.key === '0') {
      setView(wholeOf(part));
    } else if (event.key === '1') {
      zoom(1 / (scale || 1), cross);
    } else {
      return;
    }
    event.preventDefault();
  };

  const state = zoomText(model, view, scale, trans);
  const largest = zoomed(view, part, box, 2).zoom === view.zoom;
  return (
    <div className="pj-Picture">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the keys zoom and move in it */}
      <figure
        className="pj-Preview-figure"
        aria-label={trans.__('Picture: + and - zoom, 0 shows all, arrow keys move')}
        aria-busy={model.awaited !== null}
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- where one moves must be reachable by keyboard
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <div className="pj-Picture-stage" ref={stage} data-zoomed={view.zoom > 1} {...onStage}>
          {url && <img {...imageAt(placed(view, part, box, part), scale, part, props)} src={url} alt={props.alt} />}
          {url && refined && (
            <img
              {...imageAt(placed(view, part, box, refined.part), scale, refined.part, refined)}
              src={refined.url}
              alt=""
              data-fine="true"
            />
          )}
          <svg className="pj-Picture-overlay" aria-hidden="true">
            {url && props.children && <Overlay {...props} at={placed(view, part, box, part)} />}
            {byKeys && point && <Cross {...placed(view, part, box, { ...point, width: 0, height: 0 })} />}
          </svg>
        </div>
      </figure>
      <div className="pj-Picture-zoom">
        <ZoomButtons
          isWhole={view.zoom === 1}
          isLargest={largest}
          onZoom={zoom}
          onActual={() => zoom(1 / (scale || 1))}
          onWhole={() => setView(wholeOf(part))}
          trans={trans}
        />
        <p className="pj-Picture-zoomed" role="status" title={state}>
          {state}
        </p>
      </div>
      <p className="pj-Picture-readout" aria-live={byKeys ? 'polite' : 'off'}>
        {point
          ? props.tell(point).map(words => <span key={words}>{words}</span>)
          : trans.__('Point at the picture, or use the arrow keys in it, to read positions.')}
      </p>
    </div>
  );
}

/** How large it is, and how sharp it will be. */
function zoomText(model: PreviewModel, view: IView, scale: number, trans: TranslationBundle): string {
  if (view.zoom === 1) {
    return '';
  }
  const per = trans.__('%1%', scale < 0.1 ? (scale * 100).toFixed(1) : Math.round(scale * 100));
  const rest = model.awaited
    ? trans.__('sharpening…')
    : model.refineError || (model.refined && (model.refined.note ?? trans.__('sharp')));
  return [per, rest].filter(Boolean).join(' · ');
}

/** Where an image goes; pixels are shown as they are once they are larger than those of the screen. */
function imageAt(at: IRect, scale: number, part: IRect, { width }: { width: number }) {
  const isCoarse = (part.width / width) * scale > 2;
  return {
    draggable: false,
    'data-pixels': isCoarse,
    style: { left: at.x, top: at.y, width: at.width, height: at.height }
  };
}

function Overlay({ width, height, children, at }: IPictureProps & { at: IRect }): React.ReactElement {
  return (
    <svg
      x={at.x}
      y={at.y}
      width={at.width}
      height={at.height}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
    >
      {children}
    </svg>
  );
}

function Cross({ x, y }: IPoint): React.ReactElement {
  return <path className="pj-Picture-cross" d={`M${x} 0V9999M0 ${y}H9999`} />;
}

/** The middle of the pixel in the middle. */
function middleOf(rect: IRect): IPoint {
  return { x: Math.floor(rect.x + rect.width / 2) + 0.5, y: Math.floor(rect.y + rect.height / 2) + 0.5 };
}
