import type { TranslationBundle } from '@jupyterlab/translation';
import { useVirtualizer, Virtualizer } from '@tanstack/react-virtual';
import * as React from 'react';
import type { ITableContent } from '../wire';
import { cellText, columnText, columnWidths } from './cells';
import { PreviewModel } from './model';
import { TablePages } from './pages';
import { Facts } from './facts';
import { ToggleButton } from './toggle';

const ROW_HEIGHT_PIXELS = 24;
const OVERSCAN_ROWS = 8;
const OVERSCAN_COLUMNS = 2;

/** What the view of a table needs. */
export interface ITableViewProps {
  model: PreviewModel;
  content: ITableContent;
  trans: TranslationBundle;
}

/** Rows of a table, a page at a time; only the cells in sight are in the page. For `React.lazy`. */
export default function TableView({ model, content, trans }: ITableViewProps): React.ReactElement {
  const [wrap, setWrap] = React.useState(false);
  const [about, setAbout] = React.useState(false);
  return (
    <>
      <div className="pj-Preview-controls" role="group" aria-label={trans.__('Rows')}>
        <TablePages model={model} content={content} trans={trans} />
        <ToggleButton on={wrap} onClick={() => setWrap(!wrap)}>
          {trans.__('Whole values')}
        </ToggleButton>
        <ToggleButton on={about} onClick={() => setAbout(!about)}>
          {trans.__('About')}
        </ToggleButton>
      </div>
      {content.note && <p className="pj-Preview-note">{content.note}</p>}
      <div className="pj-Preview-split">
        {content.columns.length > 0 ? (
          // what was measured of one page is wrong for another
          <Grid key={`${model.hdu}:${content.first_row}:${wrap}`} content={content} wrap={wrap} trans={trans} />
        ) : (
          <p className="pj-Preview-waiting">{trans.__('This table has no columns.')}</p>
        )}
        {about && <AboutTable content={content} trans={trans} />}
      </div>
    </>
  );
}

interface IGridProps {
  content: ITableContent;
  wrap: boolean;
  trans: TranslationBundle;
}

function Grid({ content, wrap, trans }: IGridProps): React.ReactElement {
  const { columns, rows, first_row: first } = content;
  const scroller = React.useRef<HTMLDivElement>(null);
  const widths = React.useMemo(() => columnWidths(columns, rows), [columns, rows]);
  const down = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT_PIXELS,
    overscan: OVERSCAN_ROWS
  });
  const across = useVirtualizer({
    horizontal: true,
    count: columns.length,
    getScrollElement: () => scroller.current,
    estimateSize: index => widths[index],
    overscan: OVERSCAN_COLUMNS
  });
  const inSight = across.getVirtualItems();
  const [left, right] = spaceAround(across);
  const [above, below] = spaceAround(down);
  const numberWidth = `${String(first + rows.length).length + 3}ch`;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <div className="pj-Table" ref={scroller} role="group" aria-label={trans.__('Rows of the table')} tabIndex={0}>
      <table
        aria-rowcount={content.total_rows === null ? -1 : content.total_rows + 1}
        aria-colcount={columns.length + 1}
        style={{ width: `calc(${numberWidth} + ${across.getTotalSize()}px)` }}
        data-wrap={wrap}
      >
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col" className="pj-Table-number" style={{ width: numberWidth }} aria-colindex={1}>
              <span className="pj-visually-hidden">{trans.__('Row')}</span>#
            </th>
            <Space width={left} />
            {inSight.map(({ index, size }) => {
              const column = columns[index];
              const title = [column.name, column.description].filter(Boolean).join(': ');
              return (
                <th key={index} scope="col" style={{ width: size }} title={title} aria-colindex={index + 2}>
                  <span>{column.name}</span>
                  <small>{columnText(column)}</small>
                </th>
              );
            })}
            <Space width={right} />
          </tr>
        </thead>
        <tbody>
          <Gap height={above} />
          {down.getVirtualItems().map(({ index: row }) => (
            <tr
              key={row}
              data-index={row}
              data-odd={row % 2 === 1}
              ref={wrap ? down.measureElement : undefined}
              aria-rowindex={first + row + 2}
            >
              <th scope="row" className="pj-Table-number" aria-colindex={1}>
                {first + row + 1}
              </th>
              <Space width={left} />
              {inSight.map(({ index }) => {
                const value = rows[row][index];
                const text = cellText(value, columns[index]);
                return (
                  <td
                    key={index}
                    data-type={value === null ? 'none' : typeof value}
                    title={text}
                    aria-colindex={index + 2}
                  >
                    {value === null ? trans.__('none') : text}
                  </td>
                );
              })}
              <Space width={right} />
            </tr>
          ))}
          <Gap height={below} />
        </tbody>
      </table>
    </div>
  );
}

/** Pixels before the first and after the last item that is drawn. */
function spaceAround(virtualizer: Virtualizer<HTMLDivElement, Element>): [number, number] {
  const items = virtualizer.getVirtualItems();
  const last = items.at(-1);
  return last ? [items[0].start, virtualizer.getTotalSize() - last.end] : [0, virtualizer.getTotalSize()];
}

/** Stands for columns out of sight. */
function Space({ width }: { width: number }): React.ReactElement | null {
  return width > 0 ? <td aria-hidden="true" className="pj-Table-space" style={{ width }} /> : null;
}

/** Stands for rows out of sight. */
function Gap({ height }: { height: number }): React.ReactElement | null {
  return height > 0 ? <tr aria-hidden="true" className="pj-Table-space" style={{ height }} /> : null;
}

function AboutTable({ content, trans }: { content: ITableContent; trans: TranslationBundle }): React.ReactElement {
  const columns = content.columns.map(column => ({
    name: column.name,
    value: [columnText(column), column.description].filter(Boolean).join(': ')
  }));
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <div className="pj-Preview-side" role="group" aria-label={trans.__('About this table')} tabIndex={0}>
      <Facts title={trans.__('Attributes')} facts={content.attributes ?? []} />
      <Facts title={trans._n('%1 column', '%1 columns', columns.length)} facts={columns} />
    </div>
  );
}
