import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { formatBytes, formatCost, formatTime } from '../format';
import { useSignal } from '../hooks';
import { Later } from '../later';
import { doiUrl, safeUrl } from '../links';
import type { Frame, ICopy, IDataset, IProvider } from '../wire';
import { CopiesModel } from './copies';
import { areaText, Box, boxOf, isWholeWorld, spanText } from './extent';
import { formatWord } from './formats';

const WorldMap = React.lazy(() => import('../map/worldmap'));

/** What the facts of a dataset need. */
export interface IDatasetFactsProps {
  dataset: IDataset;
  copies: CopiesModel;
  /** The platform's currency; empty while it is not known. */
  currency: string;
  onCite: (citation: string) => void;
  trans: TranslationBundle;
}

/** What is known of a dataset. */
export function DatasetFacts(props: IDatasetFactsProps): React.ReactElement {
  const { dataset, copies, currency, trans } = props;
  const box = boxOf(dataset.extent);
  const landing = safeUrl(dataset.landing_url ?? null);
  const { citation } = dataset;
  return (
    <>
      <p className="pj-Details-text">{dataset.description}</p>
      <dl className="pj-Facts">
        <Fact name={trans.__('Size')}>{dataset.size_bytes !== null && formatBytes(dataset.size_bytes)}</Fact>
        <Fact name={trans.__('Formats')}>{[...new Set(dataset.formats.map(formatWord))].join(', ')}</Fact>
        <Copies dataset={dataset} copies={copies} currency={currency} trans={trans} />
        <Fact name={trans.__('Time')}>{spanText(dataset.extent, trans)}</Fact>
        <Fact name={trans.__('Area')}>{box && <Area box={box} frame={dataset.extent?.frame} trans={trans} />}</Fact>
        <Fact name={trans.__('Licence')}>{dataset.licence}</Fact>
        <Fact name={trans.__('Attribution')}>{dataset.attribution}</Fact>
        <Fact name={trans.__('DOI')}>{dataset.doi && <Link href={doiUrl(dataset.doi)}>{dataset.doi}</Link>}</Fact>
        <Fact name={trans.__('Citation')}>
          {citation && (
            <button type="button" className="pj-Button" onClick={() => props.onCite(citation)}>
              {trans.__('Copy BibTeX')}
            </button>
          )}
        </Fact>
        <Fact name={trans.__('Web page')}>{landing && <Link href={landing}>{landing}</Link>}</Fact>
        <Fact name={trans.__('Identifier')}>{dataset.id}</Fact>
        <Fact name={trans.__('Source')}>{dataset.catalogue !== 'platform' && dataset.catalogue}</Fact>
        <Fact name={trans.__('Embargo until')}>{formatTime(dataset.embargo_until ?? null)}</Fact>
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
      </dl>
    </>
  );
}

interface IAreaProps {
  box: Box;
  frame: Frame | undefined;
  trans: TranslationBundle;
}

/** A box in words, and on a map where that tells more. */
function Area({ box, frame, trans }: IAreaProps): React.ReactElement {
  return (
    <>
      {areaText(box, frame, trans)}
      {frame !== 'sky' && !isWholeWorld(box) && (
        <Later>
          <WorldMap box={box} label={trans.__('Map of the world with the area of the data')} />
        </Later>
      )}
    </>
  );
}

/** A name with its value; nothing for a value that is missing. */
export function Fact({ name, children }: { name: string; children?: React.ReactNode }): React.ReactElement | null {
  return children ? (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  ) : null;
}

type ICopiesProps = Omit<IDatasetFactsProps, 'onCite'>;

/** Asked for once the details of a dataset are in sight. */
function Copies({ dataset, copies, currency, trans }: ICopiesProps): React.ReactElement {
  useSignal(copies.changed);
  React.useEffect(() => {
    copies.want(dataset.id);
    return () => copies.stop();
  }, [copies, dataset.id]);
  const known = copies.of(dataset);
  return (
    <Fact name={trans.__('Copies, nearest first')}>
      {known.length > 0 && (
        <ol>
          {known.map(copy => (
            <li key={copy.id} data-state={copy.state}>
              {copyText(copy, currency, trans)}
            </li>
          ))}
        </ol>
      )}
    </Fact>
  );
}

/** Place, state, speed and cost of a copy, as far as they are known. */
function copyText(copy: ICopy, currency: string, trans: TranslationBundle): string {
  const place = copy.site ? `${copy.site} (${copy.region})` : copy.region;
  const cost = copy.egress_cost;
  const said = [
    stateText(copy.state, trans),
    copy.latency_ms !== null && trans.__('%1 ms', Math.round(copy.latency_ms)),
    copy.megabytes_second !== null && trans.__('%1 MB/s', Math.round(copy.megabytes_second)),
    cost === null
      ? trans.__('cost not known')
      : cost > 0
        ? trans.__('reading all of it costs %1', formatCost(cost, currency))
        : trans.__('free to read from here')
  ].filter(Boolean);
  return said.length > 0 ? `${place}: ${said.join(', ')}` : place;
}

function stateText(state: ICopy['state'], trans: TranslationBundle): string {
  switch (state) {
    case 'used':
      return trans.__('in use');
    case 'ready':
      return trans.__('ready');
    case 'down':
      return trans.__('not answering');
    case 'unknown':
      return '';
  }
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
