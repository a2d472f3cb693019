import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes, formatCost, formatTime } from '../format';
import { doiUrl, safeUrl } from '../links';
import type { IDataset, IProvider, IReplica } from '../wire';
import { INode } from './rows';

/** What the details pane needs. */
export interface IDetailsProps {
  node: INode;
  /** The platform's currency; empty while it is not known. */
  currency: string;
  onPreview: () => void;
  onInsertCode: () => void;
  onCopyPath: () => void;
  trans: TranslationBundle;
}

/** What can be done with the selected dataset, folder or file, and what is known of its dataset. */
export function Details(props: IDetailsProps): React.ReactElement {
  const { node, trans } = props;
  const { dataset, entry } = node;
  const [open, setOpen] = React.useState(true);
  return (
    <section className="pj-Details" aria-label={trans.__('Details')}>
      <div className="pj-Details-head">
        <h2 className="pj-Details-title">
          <button type="button" className="pj-Details-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
            {entry?.name ?? dataset.title}
          </button>
        </h2>
        <div className="pj-Details-actions">
          {entry?.type === 'file' && (
            <button type="button" className="pj-Button pj-mod-accept" onClick={props.onPreview}>
              {trans.__('Preview')}
            </button>
          )}
          <button type="button" className="pj-Button" onClick={props.onInsertCode}>
            {trans.__('Insert code')}
          </button>
          <button type="button" className="pj-Button" onClick={props.onCopyPath}>
            {trans.__('Copy path')}
          </button>
        </div>
      </div>
      {open && (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        <div className="pj-Details-body" role="group" aria-label={trans.__('About this data')} tabIndex={0}>
          {entry && (
            <dl className="pj-Facts">
              <Fact name={trans.__('Path')}>{entry.path}</Fact>
              <Fact name={trans.__('Size')}>{entry.size_bytes !== null && formatBytes(entry.size_bytes)}</Fact>
              <Fact name={trans.__('Modified')}>{formatTime(entry.modified)}</Fact>
              <Fact name={trans.__('Dataset')}>{dataset.title}</Fact>
            </dl>
          )}
          <DatasetFacts dataset={dataset} currency={props.currency} trans={trans} />
        </div>
      )}
    </section>
  );
}

interface IDatasetFactsProps {
  dataset: IDataset;
  currency: string;
  trans: TranslationBundle;
}

function DatasetFacts({ dataset, currency, trans }: IDatasetFactsProps): React.ReactElement {
  return (
    <>
      <p className="pj-Details-text">{dataset.description}</p>
      <dl className="pj-Facts">
        <Fact name={trans.__('Licence')}>{dataset.licence}</Fact>
        <Fact name={trans.__('Attribution')}>{dataset.attribution}</Fact>
        <Fact name={trans.__('DOI')}>{dataset.doi && <Link href={doiUrl(dataset.doi)}>{dataset.doi}</Link>}</Fact>
        <Fact name={trans.__('Identifier')}>{dataset.id}</Fact>
        <Fact name={trans.__('Size')}>{dataset.size_bytes !== null && formatBytes(dataset.size_bytes)}</Fact>
        <Fact name={trans.__('Formats')}>{dataset.formats.join(', ')}</Fact>
        <Fact name={trans.__('Keywords')}>{dataset.keywords.join(', ')}</Fact>
        <Fact name={trans.__('Providers')}>
          {dataset.providers.length > 0 && (
            <ul>
              {dataset.providers.map(provider => (
                <li key={provider.name}>
                  <Provider provider={provider} />
                </li>
              ))}
            </ul>
          )}
        </Fact>
        <Fact name={trans.__('Copies, nearest first')}>
          {dataset.replicas.length > 0 && (
            <ol>
              {[...dataset.replicas]
                .sort((a, b) => a.rank - b.rank)
                .map(replica => (
                  <li key={replica.id}>{replicaText(replica, currency, trans)}</li>
                ))}
            </ol>
          )}
        </Fact>
      </dl>
    </>
  );
}

/** A name with its value; nothing for a value that is missing. */
function Fact({ name, children }: { name: string; children?: React.ReactNode }): React.ReactElement | null {
  return children ? (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  ) : null;
}

function Provider({ provider }: { provider: IProvider }): React.ReactElement {
  const url = safeUrl(provider.url);
  const roles = provider.roles.length > 0 ? ` (${provider.roles.join(', ')})` : '';
  return (
    <>
      {url ? <Link href={url}>{provider.name}</Link> : provider.name}
      {roles}
    </>
  );
}

function Link({ href, children }: { href: string; children: React.ReactNode }): React.ReactElement {
  return (
    <a className="pj-Link" href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function replicaText(replica: IReplica, currency: string, trans: TranslationBundle): string {
  const place = replica.site ? `${replica.site} (${replica.region})` : replica.region;
  return replica.egress_cost > 0
    ? trans.__('%1: reading all of it costs %2', place, formatCost(replica.egress_cost, currency))
    : trans.__('%1: free to read from here', place);
}
