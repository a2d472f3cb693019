import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { AreaField } from './area';
import { Disclosure } from './disclosure';
import { DatasetBrowserModel } from './model';
import { Period } from './period';

/** What space and time need. */
export interface IWhereWhenProps {
  model: DatasetBrowserModel;
  trans: TranslationBundle;
}

/** Where and when the data may be, folded away; nothing with a server that cannot search for it. */
export function WhereWhen({ model, trans }: IWhereWhenProps): React.ReactElement | null {
  const { bbox, since, until } = model.found.filters;
  const chosen = [since || until ? trans.__('time') : '', bbox ? trans.__('area') : ''].filter(Boolean).join(', ');
  return Object.keys(model.found.facets).length === 0 ? null : (
    <Disclosure title={trans.__('Where and when')} aside={chosen || undefined}>
      <Period model={model} trans={trans} />
      <AreaField model={model} trans={trans} />
    </Disclosure>
  );
}
