import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ITableContent } from '../wire';
import { PreviewModel } from './model';
import { IPager, pagerOf } from './paging';

/** What the paging of a table needs. */
export interface ITablePagesProps {
  model: PreviewModel;
  content: ITableContent;
  trans: TranslationBundle;
}

/** Which rows are shown, and the ways to others. */
export function TablePages({ model, content, trans }: ITablePagesProps): React.ReactElement {
  const pager = pagerOf(content, model.pageRows);
  const go = (row: number | null) => () => {
    if (row !== null) {
      void model.setOptions({ first_row: row });
    }
  };
  return (
    <>
      <PageButton
        words={trans.__('First rows')}
        sign="«"
        onClick={go(pager.first > 0 ? 0 : null)}
        off={pager.first === 0}
      />
      <PageButton
        words={trans.__('Previous rows')}
        sign="‹"
        onClick={go(pager.previous)}
        off={pager.previous === null}
      />
      <PageButton words={trans.__('Next rows')} sign="›" onClick={go(pager.next)} off={pager.next === null} />
      <span role="status">{rowsText(pager, trans)}</span>
      <form
        className="pj-Choice"
        onSubmit={event => {
          event.preventDefault();
          const row = Number(new FormData(event.currentTarget).get('row')) - 1;
          if (Number.isSafeInteger(row) && row >= 0) {
            go(pager.total === null ? row : Math.min(row, Math.max(pager.total - 1, 0)))();
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
  off: boolean;
  onClick: () => void;
}

/** A button that stays where it is and keeps the keyboard when there is no such page. */
function PageButton({ words, sign, off, onClick }: IPageButtonProps): React.ReactElement {
  return (
    <button
      type="button"
      className="pj-Button pj-mod-page"
      aria-label={words}
      title={words}
      aria-disabled={off}
      onClick={onClick}
    >
      {sign}
    </button>
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
