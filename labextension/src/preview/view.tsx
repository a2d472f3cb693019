import '../../style/preview.css';
import '../../style/views.css';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes } from '../format';
import { useSignal } from '../hooks';
import { Later } from '../later';
import type { IHdu, ITextContent, Preview } from '../wire';
import { Choice } from './choice';
import { ImageView } from './image';
import { IMoved, PreviewModel } from './model';

const TableView = React.lazy(() => import('./table'));
const TreeView = React.lazy(() => import('./tree'));

/** What the view of a preview needs. */
export interface IPreviewViewProps {
  model: PreviewModel;
  onInsertCode: () => void;
  onCopyPath: () => void;
  trans: TranslationBundle;
}

/** A preview with its actions, whatever its kind. For `React.lazy`. */
export default function PreviewView(props: IPreviewViewProps): React.ReactElement {
  const { model, trans } = props;
  useSignal(model.changed);
  const { preview } = model;
  return (
    <section className="pj-Preview-view" aria-label={trans.__('Preview of %1', model.path)} aria-busy={model.loading}>
      <div className="pj-Preview-bar">
        <button type="button" className="pj-Button" onClick={props.onInsertCode}>
          {trans.__('Insert code')}
        </button>
        <button type="button" className="pj-Button" onClick={props.onCopyPath}>
          {trans.__('Copy path')}
        </button>
        {model.hdus.length > 0 && (
          <Choice
            label={trans.__('HDU')}
            value={String(model.hdu ?? '')}
            options={model.hdus.map(hdu => [String(hdu.index), hduText(hdu)])}
            onChange={value => void model.setOptions({ hdu: Number(value) })}
          />
        )}
        <span className="pj-Preview-moved" role="status">
          {model.loading ? trans.__('Loading…') : model.moved && movedText(model.moved, trans)}
        </span>
      </div>
      {model.error && (
        <div className="pj-Preview-error" role="alert">
          <p>{model.error}</p>
          <button type="button" className="pj-Button" onClick={() => void model.load()}>
            {trans.__('Try again')}
          </button>
        </div>
      )}
      {preview ? (
        <Body model={model} preview={preview} trans={trans} />
      ) : (
        model.loading && <p className="pj-Preview-waiting">{trans.__('Reading a small part of %1…', model.path)}</p>
      )}
    </section>
  );
}

function Body({ model, preview, trans }: { model: PreviewModel; preview: Preview; trans: TranslationBundle }) {
  switch (preview.kind) {
    case 'image':
      return <ImageView model={model} title={preview.title} content={preview.content} trans={trans} />;
    case 'text':
      return <TextView content={preview.content} trans={trans} />;
    case 'table':
      return (
        <LateView trans={trans}>
          <TableView model={model} content={preview.content} trans={trans} />
        </LateView>
      );
    case 'tree':
      return (
        <LateView trans={trans}>
          <TreeView model={model} content={preview.content} trans={trans} />
        </LateView>
      );
  }
}

function LateView({ children, trans }: { children: React.ReactNode; trans: TranslationBundle }): React.ReactElement {
  const words = (text: string) => <p className="pj-Preview-waiting">{text}</p>;
  return (
    <Later
      waiting={words(trans.__('Loading…'))}
      failed={words(trans.__('This view could not be loaded from the server. Reload the page to try again.'))}
    >
      {children}
    </Later>
  );
}

function TextView({ content, trans }: { content: ITextContent; trans: TranslationBundle }): React.ReactElement {
  return (
    <>
      {content.truncated && (
        <p className="pj-Preview-note">
          {content.total_bytes === null
            ? trans.__('This is the beginning of a text.')
            : trans.__('This is the beginning of a text of %1.', formatBytes(content.total_bytes))}
        </p>
      )}
      {content.note && <p className="pj-Preview-note">{content.note}</p>}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <pre className="pj-Preview-text" role="group" tabIndex={0} aria-label={trans.__('Text')}>
        {content.text}
      </pre>
    </>
  );
}

function movedText({ bytes, requests, kept }: IMoved, trans: TranslationBundle): string {
  const told = trans._n('%2 moved in %1 request', '%2 moved in %1 requests', requests, formatBytes(bytes));
  return kept ? trans.__('%1: it was drawn before', told) : told;
}

function hduText(hdu: IHdu): string {
  const shape = hdu.shape ? ` (${hdu.shape.join(' × ')})` : '';
  return `${hdu.index} ${hdu.name || hdu.type}${shape}`;
}
