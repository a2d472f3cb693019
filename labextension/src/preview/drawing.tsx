import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Later } from '../later';
import type { IDrawing, IPlanePart } from '../wire';
import { Cuts } from './cuts';
import { PreviewModel } from './model';
import { Picture } from './picture';
import { PlotView } from './plot';
import { elementAt, IPoint, partOf, placeAt } from './pointer';
import { StretchChoices } from './stretch';
import { shortNumber } from './ticks';
import { ToggleButton } from './toggle';

const Coastlines = React.lazy(() => import('../map/coastlines'));

/** What the view of a drawing needs. */
export interface IDrawingViewProps {
  model: PreviewModel;
  drawing: IDrawing;
  trans: TranslationBundle;
}

/** A node of a file as a picture or a plot, where it is cut, and in what unit it is. */
export function DrawingView({ model, drawing, trans }: IDrawingViewProps): React.ReactElement {
  const [coasts, setCoasts] = React.useState(true);
  const { width, height, extent } = drawing;
  const isPicture = width !== null && width !== undefined && height !== null && height !== undefined;
  const part = React.useMemo(() => {
    const sizes = drawing.axes.filter(axis => axis.index === null).map(axis => axis.size);
    return partOf(drawing.part, { width: drawing.width ?? 1, height: drawing.height ?? 1 }, sizes, false);
  }, [drawing]);
  return (
    <div className="pj-Drawing" role="group" aria-label={trans.__('Drawing of %1', drawing.node)}>
      <div className="pj-Preview-controls" role="group" aria-label={trans.__('How it is drawn')}>
        <strong>{drawing.node}</strong>
        {isPicture && (
          <>
            <StretchChoices model={model} drawn={model.options} trans={trans} />
            {extent && (
              <ToggleButton on={coasts} onClick={() => setCoasts(!coasts)}>
                {trans.__('Coastlines')}
              </ToggleButton>
            )}
          </>
        )}
      </div>
      <Cuts model={model} drawing={drawing} trans={trans} />
      <p className="pj-Drawing-scale">{scaleText(drawing, trans)}</p>
      {drawing.note && <p className="pj-Preview-note">{drawing.note}</p>}
      {isPicture && (
        <Picture
          // another plane is looked at from its whole
          key={`${drawing.node} ${part.columns} ${part.rows}`}
          model={model}
          part={part}
          width={width}
          height={height}
          alt={trans.__('%1, drawn as a picture', drawing.node)}
          tell={point => tell(drawing, part, point, trans)}
          trans={trans}
        >
          {extent && coasts && (
            // the picture is there before its coasts are, and without them if they do not come
            <Later>
              <Coastlines extent={extent} width={width} height={height} />
            </Later>
          )}
        </Picture>
      )}
      {drawing.plot && <PlotView plot={drawing.plot} title={drawing.node} trans={trans} />}
    </div>
  );
}

/** Unit and limits in one line. */
function scaleText({ unit, limits }: IDrawing, trans: TranslationBundle): string {
  const span = limits && trans.__('drawn from %1 to %2', shortNumber(limits[0]), shortNumber(limits[1]));
  return [unit && trans.__('unit: %1', unit), span].filter(Boolean).join(', ');
}

/** The element of the array under a point, and its place on a map. */
function tell(drawing: IDrawing, part: IPlanePart, point: IPoint, trans: TranslationBundle): string[] {
  const along = drawing.axes.filter(axis => axis.index === null);
  const told: string[] = [];
  if (drawing.extent) {
    const [longitude, latitude] = placeAt({ x: point.x - part.x, y: point.y - part.y }, part, drawing.extent);
    told.push(
      `${Math.abs(longitude).toFixed(2)}° ${longitude < 0 ? trans.__('W') : trans.__('E')}`,
      `${Math.abs(latitude).toFixed(2)}° ${latitude < 0 ? trans.__('S') : trans.__('N')}`
    );
  } else if (along.length === 2) {
    const [column, row] = elementAt(point, part);
    told.push(`${along[1].name} ${column}`, `${along[0].name} ${row}`);
  }
  return told;
}
