import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useTyped } from '../hooks';
import { Later } from '../later';
import type { Frame } from '../wire';
import { boxFrom } from './extent';
import { DatasetBrowserModel } from './model';

const AreaMap = React.lazy(() => import('../map/areamap'));

/** What the area needs. */
export interface IAreaProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** In which box the data may be, on the Earth or on the sky: typed, or drawn on a map. */
export function AreaField({ model, trans }: IAreaProps): React.ReactElement {
  const { bbox = '', frame: searched = 'earth' } = model.found.filters;
  const [frame, setFrame] = React.useState<Frame>(searched);
  const inForce = frame === searched ? bbox : '';
  const search = (box: string) => model.narrow({ bbox: box, frame: box && frame === 'sky' ? frame : undefined });
  return (
    <div className="pj-Facet" role="group" aria-label={trans.__('Area')}>
      <h3>{trans.__('Area')}</h3>
      <select
        className="pj-Select"
        aria-label={trans.__('The area is')}
        value={frame}
        onChange={event => setFrame(event.target.value as Frame)}
      >
        <option value="earth">{trans.__('on the Earth')}</option>
        <option value="sky">{trans.__('on the sky')}</option>
      </select>
      {frame === 'earth' && (
        <Later waiting={<div className="pj-AreaMap pj-mod-waiting" />}>
          <AreaMap
            box={inForce ? boxFrom(inForce) : null}
            label={trans.__('Map of the world to draw an area on')}
            onDraw={box => search(box.join(','))}
          />
        </Later>
      )}
      <BoxForm key={frame} box={inForce} frame={frame} onSearch={search} trans={trans} />
    </div>
  );
}

interface IBoxFormProps {
  /** Four numbers between commas, or empty. */
  box: string;
  frame: Frame;
  onSearch: (box: string) => void;
  trans: TranslationBundle;
}

/** The box in numbers; four empty fields search everywhere. */
function BoxForm({ box, frame, onSearch, trans }: IBoxFormProps): React.ReactElement {
  const [typed, setTyped] = useTyped<{ sides: string[]; fault: string }>(box);
  const { sides, fault } = typed ?? { sides: box ? box.split(',') : ['', '', '', ''], fault: '' };
  const labels =
    frame === 'sky'
      ? [trans.__('RA from'), trans.__('Dec from'), trans.__('RA to'), trans.__('Dec to')]
      : [trans.__('West'), trans.__('South'), trans.__('East'), trans.__('North')];
  return (
    <form
      className="pj-Box"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        const found = faultOf(sides, frame, trans);
        setTyped({ sides, fault: found });
        if (!found) {
          onSearch(sides.every(side => side === '') ? '' : sides.map(Number).join(','));
        }
      }}
    >
      {labels.map((label, index) => (
        <label key={label}>
          <span>{label}</span>
          <input
            type="number"
            step="any"
            className="pj-Input"
            value={sides[index]}
            onChange={event =>
              setTyped({ sides: sides.map((side, at) => (at === index ? event.target.value : side)), fault })
            }
          />
        </label>
      ))}
      <button type="submit" className="pj-Button">
        {trans.__('Search in this area')}
      </button>
      {fault && <p role="alert">{fault}</p>}
    </form>
  );
}

/** What is wrong with a box, in one sentence; empty when it can be searched for. */
function faultOf(sides: string[], frame: Frame, trans: TranslationBundle): string {
  const given = sides.filter(side => side !== '');
  if (given.length === 0) {
    return '';
  }
  const [west, south, east, north] = sides.map(Number);
  const isLongitude = (value: number) => (frame === 'sky' ? value >= 0 && value <= 360 : Math.abs(value) <= 360);
  if (
    given.length === 4 &&
    sides.every(side => Number.isFinite(Number(side))) &&
    [west, east].every(isLongitude) &&
    south >= -90 &&
    north <= 90 &&
    south <= north
  ) {
    return '';
  }
  return frame === 'sky'
    ? trans.__('Four numbers in degrees are needed: RA from 0 to 360, Dec from -90 to 90, the lower Dec first.')
    : trans.__('Four numbers in degrees are needed, with the south below the north and both from -90 to 90.');
}
