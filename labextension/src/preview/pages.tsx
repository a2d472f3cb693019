import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ITableContent } from '../wire';
import { PreviewModel } from './model';
import { IPager, pagerOf } from './paging';
import { StepButton } from './step-button';

/** What the paging of a table needs. */
export interface ITablePagesProps {
  model: PreviewModel;
  content: ITableContent;
  trans: TranslationBundle;
}

/** Which rows are shown, and the ways to others. */
export function TablePages({ model, content, trans }: ITablePagesProps): React.ReactElement {
  const pager = pagerOf(content, model.pageRows);
  const go = (row: number) => void model.setOptions({ first_row: row });
  return (
    <>
      <PageButton words={trans.__('First rows')} sign="«" row={pager.first > 0 ? 0 : null} onGo={go} />
      <PageButton words={trans.__('Previous rows')} sign="‹" row={pager.previous} onGo={go} />
      <PageButton words={trans.__('Next rows')} sign="›" row={pager.next} onGo={go} />
      <span role="status">{rowsText(pager, trans)}</span>
      <form
        className="pj-Choice"
        onSubmit={event => {
          event.preventDefault();
          const row = Number(new FormData(event.currentTarget).get('row')) - 1;
          if (Number.isSafeInteger(row) && row >= 0) {
            go(pager.total === null ? row : Math.min(row, Math.max(pager.total - 1, 0)));
          }
        }}
      >
        <label>
          <span>{trans.__('Go to row')}</span>{' '}
          <input
            className="pj-Input pj-mod-number"
            type="number"
            name="row"
            min={1}
            max={pager.total ?? undefined}
            step={1}
          />
        </label>
      </form>
    </>
  );
}

interface IPageButtonProps {
  words: string;
  sign: string;
  /** The first row of that page; null when there is none. */
  row: number | null;
  onGo: (row: number) => void;
}

function PageButton({ words, sign, row, onGo }: IPageButtonProps): React.ReactElement {
  return (
    <StepButton words={words} className="pj-mod-page" off={row === null} onClick={() => row !== null && onGo(row)}>
      {sign}
    </StepButton>
  );
}

/** Rows are counted from 1, as the numbers before them are. */
function rowsText({ first, last, total }: IPager, trans: TranslationBundle): string {
  if (last < first) {
    return total === 0 ? trans.__('no rows') : trans.__('no rows here');
  }
  const [from, to] = [(first + 1).toLocaleString(), (last + 1).toLocaleString()];
  return total === null
    ? trans.__('rows %1–%2; how many there are is not known', from, to)
    : trans.__('rows %1–%2 of %3', from, to, total.toLocaleString());
}
