import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes, formatTime } from '../format';
import { useSignal } from '../hooks';
import { isPreviewable } from '../location';
import { isReadable, whyClosed } from './access';
import { CopiesModel } from './copies';
import { DatasetFacts, Fact } from './facts';
import { locationOfNode } from './nodes';
import { INode } from './rows';
import { Shelf } from './shelf';

/** What can be done from the details. */
export interface IDetailsActions {
  onPreview: () => void;
  onInsertCode: () => void;
  onCopyPath: () => void;
  onShowFolder: () => void;
  /** Null where no cluster can be begun. */
  onNewCluster: (() => void) | null;
  onCite: (citation: string) => void;
}

/** What the details pane needs. */
export interface IDetailsProps {
  node: INode;
  copies: CopiesModel;
  shelf: Shelf;
  /** The platform's currency; empty while it is not known. */
  currency: string;
  actions: IDetailsActions;
  trans: TranslationBundle;
}

/** What can be done with the selected dataset, folder or file, and what is known of its dataset. */
export function Details(props: IDetailsProps): React.ReactElement {
  const { node, trans } = props;
  const { dataset, entry } = node;
  const [open, setOpen] = React.useState(true);
  const closed = whyClosed(dataset, trans);
  return (
    <section className="pj-Details" aria-label={trans.__('Details')}>
      <div className="pj-Details-head">
        <h2 className="pj-Details-title">
          <button type="button" className="pj-Details-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
            {entry?.name ?? dataset.title}
          </button>
        </h2>
        <Actions {...props} />
      </div>
      {open && (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        <div className="pj-Details-body" role="group" aria-label={trans.__('About this data')} tabIndex={0}>
          {closed && <p className="pj-Details-closed">{closed}</p>}
          {entry && (
            <dl className="pj-Facts">
              <Fact name={trans.__('Path')}>{entry.path}</Fact>
              <Fact name={trans.__('Size')}>{entry.size_bytes !== null && formatBytes(entry.size_bytes)}</Fact>
              <Fact name={trans.__('Modified')}>{formatTime(entry.modified)}</Fact>
              <Fact name={trans.__('Dataset')}>{dataset.title}</Fact>
            </dl>
          )}
          <DatasetFacts
            dataset={dataset}
            copies={props.copies}
            currency={props.currency}
            onCite={props.actions.onCite}
            trans={trans}
          />
        </div>
      )}
    </section>
  );
}

function Actions({ node, shelf, actions, trans }: IDetailsProps): React.ReactElement {
  useSignal(shelf.changed);
  const { dataset, entry } = node;
  const place = locationOfNode(node);
  return (
    <div className="pj-Details-actions">
      {isReadable(dataset) && (
        <>
          {isPreviewable(place) && (
            <button type="button" className="pj-Button pj-mod-accept" onClick={actions.onPreview}>
              {trans.__('Preview')}
            </button>
          )}
          <button type="button" className="pj-Button" onClick={actions.onInsertCode}>
            {trans.__('Insert code')}
          </button>
          <button type="button" className="pj-Button" onClick={actions.onCopyPath}>
            {trans.__('Copy path')}
          </button>
          {entry?.type !== 'file' && (
            <button type="button" className="pj-Button" onClick={actions.onShowFolder}>
              {trans.__('Show as a folder')}
            </button>
          )}
          {!entry && actions.onNewCluster && (
            <button type="button" className="pj-Button" onClick={actions.onNewCluster}>
              {trans.__('New cluster near it')}
            </button>
          )}
        </>
      )}
      <button
        type="button"
        className="pj-Button"
        aria-pressed={shelf.isFavourite(place)}
        onClick={() => void shelf.toggleFavourite({ ...place, title: dataset.title })}
      >
        {trans.__('Favourite')}
      </button>
    </div>
  );
}
