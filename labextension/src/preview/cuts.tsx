import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IAxis, IDrawing } from '../wire';
import { PreviewModel } from './model';

/** What the places of cuts need. */
export interface ICutsProps {
  model: PreviewModel;
  drawing: IDrawing;
  trans: TranslationBundle;
}

/** Where the axes that are not drawn are cut; moving draws anew after a pause. */
export function Cuts({ model, drawing, trans }: ICutsProps): React.ReactElement | null {
  const cut = drawing.axes.filter(axis => axis.index !== null);
  if (cut.length === 0) {
    return null;
  }
  const wanted = wantedCuts(drawing, model.options.node, model.options.index);
  const moveTo = (place: number, index: number) => {
    const axis = cut[place];
    if (Number.isInteger(index) && index >= 0 && index < axis.size) {
      model.cutAt(
        drawing.node,
        wanted.map((old, other) => (other === place ? index : old))
      );
    }
  };
  return (
    <div className="pj-Cuts" role="group" aria-label={trans.__('Where it is cut')}>
      {cut.map((axis, place) => (
        <Cut key={place} axis={axis} index={wanted[place]} onMove={index => moveTo(place, index)} trans={trans} />
      ))}
    </div>
  );
}

/** What was asked for last, even if it is not drawn yet; else what is drawn. */
function wantedCuts(drawing: IDrawing, node: string | undefined, index: number[] | undefined): number[] {
  const drawn = drawing.axes.map(axis => axis.index).filter(cut => cut !== null);
  return node === drawing.node && index?.length === drawn.length ? index : drawn;
}

interface ICutProps {
  axis: IAxis;
  index: number;
  onMove: (index: number) => void;
  trans: TranslationBundle;
}

function Cut({ axis, index, onMove, trans }: ICutProps): React.ReactElement {
  const last = Math.max(axis.size - 1, 0);
  return (
    <div className="pj-Cut">
      <span>{axis.name}</span>
      <input
        type="range"
        aria-label={trans.__('%1, from 0 to %2', axis.name, last)}
        min={0}
        max={last}
        step={1}
        value={index}
        disabled={last === 0}
        onChange={event => onMove(event.target.valueAsNumber)}
      />
      <input
        type="number"
        className="pj-Input pj-mod-number"
        aria-label={trans.__('%1, as a number', axis.name)}
        min={0}
        max={last}
        step={1}
        value={index}
        disabled={last === 0}
        onChange={event => onMove(event.target.valueAsNumber)}
      />
      <span>{trans.__('of %1', axis.size)}</span>
    </div>
  );
}
