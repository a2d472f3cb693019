import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { DatasetBrowserModel } from './model';

/** Before this day no year is meant: it is still being typed. */
const FIRST_DAY = '1000-01-01';

/** What the time needs. */
export interface IPeriodProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** From which day and to which the data may be. */
export function Period({ model, trans }: IPeriodProps): React.ReactElement {
  const { since = '', until = '' } = model.found.filters;
  return (
    <div className="pj-Facet" role="group" aria-label={trans.__('Time')}>
      <h3>{trans.__('Time')}</h3>
      <Day
        label={trans.__('from')}
        day={since}
        min={FIRST_DAY}
        max={until}
        onDay={day => model.narrowSoon({ since: day })}
      />
      <Day
        label={trans.__('to')}
        day={until}
        min={since || FIRST_DAY}
        onDay={day => model.narrowSoon({ until: day })}
      />
    </div>
  );
}

interface IDayProps {
  label: string;
  day: string;
  min: string;
  max?: string;
  onDay: (day: string) => void;
}

/** A day; one that is out of bounds is kept in the field and searched for only when it is mended. */
function Day({ label, day, min, max, onDay }: IDayProps): React.ReactElement {
  const [typed, setTyped] = React.useState<string | null>(null);
  return (
    <label>
      <span>{label}</span>
      <input
        type="date"
        className="pj-Input"
        value={typed ?? day}
        min={min}
        max={max || undefined}
        aria-invalid={typed !== null}
        onChange={event => {
          const { value } = event.target;
          const isGood = value === '' || (value >= min && (!max || value <= max));
          setTyped(isGood ? null : value);
          if (isGood) {
            onDay(value);
          }
        }}
      />
    </label>
  );
}
