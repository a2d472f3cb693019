/** Wheel, dragging and pinching over an element, as changes of what is seen. */

import * as React from 'react';
import type { IPoint, ISize } from './pointer';

/** How much a wheel zooms for each pixel that it scrolls; a pinch on a touchpad is a slow wheel with Ctrl. */
const WHEEL_SHARE = 0.002;
const PINCH_SHARE = 0.01;
const LINE_PIXELS = 16;

/** What gestures do; places are from the element's left and upper edge, in pixels of the screen. */
export interface IGestures {
  /** Returns whether it did anything: else the page may scroll. */
  zoom: (factor: number, at: IPoint) => boolean;
  move: (by: IPoint) => void;
  point: (at: IPoint | null) => void;
}

/** Handlers for an element; its wheel is listened to apart, because React's listeners cannot keep a page from scrolling. */
export function useGestures(element: React.RefObject<HTMLElement>, gestures: IGestures) {
  const latest = React.useRef(gestures);
  const fingers = React.useRef(new Map<number, IPoint>());

  React.useLayoutEffect(() => {
    latest.current = gestures;
  });
  React.useEffect(() => {
    const target = element.current;
    const onWheel = (event: WheelEvent) => {
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1);
      const share = event.ctrlKey ? PINCH_SHARE : WHEEL_SHARE;
      if (latest.current.zoom(Math.exp(-pixels * share), placeOf(event, target))) {
        event.preventDefault();
      }
    };
    target?.addEventListener('wheel', onWheel, { passive: false });
    return () => target?.removeEventListener('wheel', onWheel);
  }, [element]);

  const lift = (event: React.PointerEvent) => void fingers.current.delete(event.pointerId);
  return {
    onPointerDown: (event: React.PointerEvent) => {
      if (event.button === 0) {
        fingers.current.set(event.pointerId, placeOf(event, element.current));
        element.current?.setPointerCapture?.(event.pointerId);
      }
    },
    onPointerMove: (event: React.PointerEvent) => {
      const at = placeOf(event, element.current);
      const before = fingers.current.get(event.pointerId);
      if (before) {
        fingers.current.set(event.pointerId, at);
        const [other] = [...fingers.current].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        if (other) {
          latest.current.zoom(distance(at, other) / Math.max(distance(before, other), 1), other);
        } else {
          latest.current.move({ x: at.x - before.x, y: at.y - before.y });
        }
      }
      latest.current.point(at);
    },
    onPointerUp: lift,
    onPointerCancel: lift,
    onPointerLeave: () => latest.current.point(null),
    onDoubleClick: (event: React.MouseEvent) => {
      latest.current.zoom(event.shiftKey ? 0.5 : 2, placeOf(event, element.current));
    }
  };
}

/** The size of an element, kept up to date. */
export function useSize(element: React.RefObject<HTMLElement>): ISize {
  const [size, setSize] = React.useState<ISize>({ width: 0, height: 0 });
  React.useLayoutEffect(() => {
    const target = element.current;
    if (!target) {
      return;
    }
    const measure = () => setSize({ width: target.offsetWidth, height: target.offsetHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return size;
}

function placeOf(event: { clientX: number; clientY: number }, element: HTMLElement | null): IPoint {
  const box = element?.getBoundingClientRect();
  return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
}

function distance(one: IPoint, other: IPoint): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
