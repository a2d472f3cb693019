import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { chosenIn } from './chosen';
import { DatasetBrowserModel } from './model';

/** What the chips need. */
export interface IChipsProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** What narrows the search, always in sight, each to be taken away by a press. */
export function Chips({ model, trans }: IChipsProps): React.ReactElement | null {
  const chosen = chosenIn(model.found, trans);
  if (chosen.length === 0) {
    return null;
  }
  return (
    <ul className="pj-Chips" aria-label={trans.__('The search is narrowed by')}>
      {chosen.map(({ key, title, without }) => (
        <li key={key}>
          <button
            type="button"
            className="pj-Button"
            aria-label={trans.__('No longer only %1', title)}
            title={title}
            onClick={() => model.narrow(without)}
          >
            <span>{title}</span> <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      {chosen.length > 1 && (
        <li>
          <button type="button" className="pj-Button pj-mod-quiet" onClick={() => model.clearFilters()}>
            {trans.__('Clear all')}
          </button>
        </li>
      )}
    </ul>
  );
}
