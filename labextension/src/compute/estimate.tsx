import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { NewClusterModel } from './form';
import { estimateNotes, estimateWarnings, leftText } from './text';

/** What the chosen cluster would cost, what it would leave of each limit, and whether it fits. */
export function Estimate({ model, trans }: { model: NewClusterModel; trans: TranslationBundle }): React.ReactElement {
  const { estimate, estimateError, isEstimating } = model;
  return (
    <div className="pj-Estimate" role="status" aria-label={trans.__('Estimate')} aria-busy={isEstimating}>
      {estimate === null && isEstimating && <p>{trans.__('Working out what it costs…')}</p>}
      {estimateError && <p>{trans.__('There is no estimate. %1', estimateError)}</p>}
      {estimate && (
        <>
          {model.size.adapts && <p className="pj-Compute-quiet">{trans.__('With as many workers as it may have:')}</p>}
          {estimateNotes(estimate, model.currency, trans).map(note => (
            <p key={note}>{note}</p>
          ))}
          {estimateWarnings(estimate, trans).map(warning => (
            <p key={warning} className="pj-Estimate-warning">
              {warning}
            </p>
          ))}
          {estimate.limits.length > 0 && (
            <>
              <p className="pj-Compute-quiet">{trans.__('After it has started:')}</p>
              <ul className="pj-Compute-list">
                {estimate.limits.map(limit => (
                  <li key={limit.name} data-fits={limit.left >= 0}>
                    {trans.__('%1: %2', limit.label, leftText(limit, trans))}
                  </li>
                ))}
              </ul>
            </>
          )}
        </>
      )}
    </div>
  );
}
