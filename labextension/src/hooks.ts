/** React hooks that several views share. */

import type { ISignal } from '@lumino/signaling';
import * as React from 'react';

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
