import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useTyped } from '../hooks';
import { DatasetBrowserModel } from './model';

/** Before this day no year is meant: it is still being typed. */
const FIRST_DAY = '1000-01-01';

/** What the time needs. */
export interface IPeriodProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

interface IDays {
  since: string;
  until: string;
}

/** From which day and to which the data may be; days that make no sense stay in the fields and are not searched for. */
export function Period({ model, trans }: IPeriodProps): React.ReactElement {
  const { since = '', until = '' } = model.found.filters;
  const [typed, setTyped] = useTyped<IDays>(`${since} ${until}`);
  const days = typed ?? { since, until };
  const type = (change: Partial<IDays>) => {
    const next = { ...days, ...change };
    const isGood = !isBad(next.since, next) && !isBad(next.until, next);
    setTyped(isGood ? null : next);
    if (isGood) {
      model.narrowSoon(next);
    }
  };
  return (
    <div className="pj-Facet" role="group" aria-label={trans.__('Time')}>
      <h3>{trans.__('Time')}</h3>
      <Day label={trans.__('from')} day={days.since} max={days.until} days={days} onDay={day => type({ since: day })} />
      <Day label={trans.__('to')} day={days.until} min={days.since} days={days} onDay={day => type({ until: day })} />
    </div>
  );
}

interface IDayProps {
  label: string;
  day: string;
  min?: string;
  max?: string;
  days: IDays;
  onDay: (day: string) => void;
}

function Day({ label, day, min, max, days, onDay }: IDayProps): React.ReactElement {
  return (
    <label>
      <span>{label}</span>
      <input
        type="date"
        className="pj-Input"
        value={day}
        min={min || FIRST_DAY}
        max={max || undefined}
        aria-invalid={isBad(day, days)}
        onChange={event => onDay(event.target.value)}
      />
    </label>
  );
}

function isBad(day: string, { since, until }: IDays): boolean {
  return day !== '' && (day < FIRST_DAY || (until !== '' && since > until));
}
