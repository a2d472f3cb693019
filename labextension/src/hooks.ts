/** React hooks that several views share. */

import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

/** How often what depends on the time is drawn again. */
const TICK_MILLISECONDS = 15_000;

/** Draws a component again whenever `changed` is emitted by a model whose getters it reads. */
export function useSignal(changed: ISignal<unknown, unknown>): void {
  const [, count] = React.useReducer((version: number) => version + 1, 0);
  React.useEffect(() => {
    changed.connect(count);
    // what changed between drawing and connecting must be drawn, too
    count();
    return () => {
      changed.disconnect(count);
    };
  }, [changed]);
}

/** The time in milliseconds; draws a component again as it goes by, and whenever `changed` is emitted. */
export function useNow(changed: ISignal<unknown, unknown>): number {
  const [now, setNow] = React.useState(() => Date.now());
  React.useEffect(() => {
    const look = () => setNow(Date.now());
    const timer = setInterval(look, TICK_MILLISECONDS);
    changed.connect(look);
    return () => {
      clearInterval(timer);
      changed.disconnect(look);
    };
  }, [changed]);
  return now;
}

/** What is typed and not in force yet; null when nothing is, and again once what is in force has changed. */
export function useTyped<T>(inForce: string): [T | null, (typed: T | null) => void] {
  const [state, setState] = React.useState<{ typed: T | null; inForce: string }>({ typed: null, inForce });
  if (state.inForce !== inForce) {
    setState({ typed: null, inForce });
  }
  return [state.inForce === inForce ? state.typed : null, typed => setState({ typed, inForce })];
}
