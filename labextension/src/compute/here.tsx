import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Disclosure } from '../data/disclosure';
import { formatCost } from '../format';
import { endsOf } from '../usage/ends';
import { costText, endText, siteTitle } from '../usage/text';
import type { IExplanation, ILease, IPlace, ITitles } from '../wire';
import { resourcesText } from './text';

interface IHereProps {
  lease: ILease;
  titles: ITitles | undefined;
  currency: string;
  now: number;
  trans: TranslationBundle;
}

/** Where this session runs, with what, for how much, until when, and why there. */
export function Here({ lease, titles, currency, now, trans }: IHereProps): React.ReactElement {
  const { explanation, profile, resources, site } = lease;
  const facts = [profile && (titles?.profiles[profile] ?? profile), resources && resourcesText(resources, trans)]
    .filter(Boolean)
    .join(': ');
  return (
    <section className="pj-Compute-part" aria-label={trans.__('Where I run')}>
      <h3>{trans.__('Where I run')}</h3>
      <p>
        <strong>{site ? siteTitle(site, { lease, titles }) : trans.__('The platform does not say.')}</strong>
        {facts && ` · ${facts}`}
      </p>
      <p className="pj-Compute-quiet">{costText(lease, currency, trans)}</p>
      {lease.charge_to && (
        <p className="pj-Compute-quiet">{trans.__('Paid from the allocation of %1', lease.charge_to)}</p>
      )}
      {endsOf(lease).map(end => (
        <p key={end.reason} className="pj-Compute-quiet">
          {endText(end, now, trans)}
        </p>
      ))}
      <Disclosure title={trans.__('Why here')} isMinor>
        <Why explanation={explanation} currency={currency} trans={trans} />
      </Disclosure>
    </section>
  );
}

interface IWhyProps {
  explanation: IExplanation;
  currency: string;
  trans: TranslationBundle;
}

function Why({ explanation, currency, trans }: IWhyProps): React.ReactElement {
  return (
    <>
      <p>{explanation.summary}</p>
      <Places
        title={trans.__('Places that could run it, best first')}
        places={explanation.candidates ?? []}
        currency={currency}
        trans={trans}
      />
      <Places
        title={trans.__('Places that could not')}
        places={explanation.rejected ?? []}
        currency={currency}
        trans={trans}
      />
    </>
  );
}

interface IPlacesProps {
  title: string;
  places: readonly IPlace[];
  currency: string;
  trans: TranslationBundle;
}

function Places({ title, places, currency, trans }: IPlacesProps): React.ReactElement | null {
  return places.length > 0 ? (
    <>
      <h4>{title}</h4>
      <ol className="pj-Compute-list">
        {places.map(place => (
          <li key={place.site}>
            <strong>{place.title}</strong>
            {place.cost_hour !== undefined && ` · ${trans.__('%1 per hour', formatCost(place.cost_hour, currency))}`}
            {place.reasons.map(reason => (
              <p key={reason} className="pj-Compute-quiet">
                {reason}
              </p>
            ))}
          </li>
        ))}
      </ol>
    </>
  ) : null;
}
