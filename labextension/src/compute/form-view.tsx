import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useSignal } from '../hooks';
import { Estimate } from './estimate';
import type { NewClusterModel } from './form';
import { OptionField } from './option-field';
import { isCount } from './size-typed';
import { gatewayNotes, gatewayText } from './text';

/** As long as a title may be. */
const TITLE_CHARACTERS = 80;

interface INewClusterFormProps {
  model: NewClusterModel;
  trans: TranslationBundle;
}

/** The form for a new cluster: where, with what, how many, and what that would cost. */
export function NewClusterForm({ model, trans }: INewClusterFormProps): React.ReactElement {
  useSignal(model.changed);
  const heading = React.useRef<HTMLHeadingElement>(null);
  React.useEffect(() => heading.current?.focus(), [model.opened]);
  return (
    // Escape in a form is the cancel button's key
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys come up from its fields
    <form
      className="pj-NewCluster"
      noValidate
      aria-label={trans.__('New cluster')}
      onSubmit={event => {
        event.preventDefault();
        void model.submit();
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          model.close();
        }
      }}
    >
      <h4 ref={heading} tabIndex={-1}>
        {trans.__('New cluster')}
      </h4>
      {model.dataset !== null && (
        <p className="pj-NewCluster-dataset">
          <span>{trans.__('To read %1', model.dataset)}</span>
          <button type="button" className="pj-Button" onClick={() => void model.forgetDataset()}>
            {trans.__('Not for a dataset')}
          </button>
        </p>
      )}
      <Fields model={model} trans={trans} />
      {model.error && (
        <p className="pj-Form-error" role="alert">
          {model.error}
        </p>
      )}
      <div className="pj-Cluster-actions">
        {model.gatewaysState === 'failed' ? (
          <button type="button" className="pj-Button" onClick={() => void model.again()}>
            {trans.__('Try again')}
          </button>
        ) : (
          model.gateways.length > 0 && (
            // not disabled while it works: the focus would be lost
            <button
              type="submit"
              className="pj-Button pj-mod-accept"
              aria-disabled={!model.canSubmit}
              aria-busy={model.isSubmitting}
            >
              {model.isSubmitting ? trans.__('Starting…') : trans.__('Start cluster')}
            </button>
          )
        )}
        <button type="button" className="pj-Button" onClick={() => model.close()}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

function Fields({ model, trans }: { model: NewClusterModel; trans: TranslationBundle }): React.ReactElement | null {
  const id = React.useId();
  const { gateway, gateways, gatewaysState: state } = model;
  if (state === 'loading') {
    return <p className="pj-Compute-quiet">{trans.__('Asking which gateways there are…')}</p>;
  }
  if (!gateway) {
    return state === 'failed' ? null : <p>{trans.__('There is no gateway that you may use.')}</p>;
  }
  const notes = gatewayNotes(gateway, model.currency, trans);
  return (
    <>
      <label className="pj-Field">
        <span>{trans.__('Gateway')}</span>
        <select
          className="pj-Select"
          value={gateway.gateway}
          aria-describedby={`${id}-notes`}
          onChange={event => model.choose(event.target.value)}
        >
          {gateways.map(each => (
            <option key={each.gateway} value={each.gateway}>
              {gatewayText(each, trans)}
            </option>
          ))}
        </select>
      </label>
      <div id={`${id}-notes`} className="pj-Field-notes">
        {notes.map(note => (
          <p key={note}>{note}</p>
        ))}
      </div>
      <label className="pj-Field">
        <span>{trans.__('Title')}</span>
        <input
          className="pj-Input"
          maxLength={TITLE_CHARACTERS}
          value={model.title}
          placeholder={trans.__('What it is for')}
          onChange={event => model.setTitle(event.target.value)}
        />
      </label>
      {gateway.options.map(option => (
        <OptionField
          key={`${gateway.gateway}/${option.field}`}
          option={option}
          typed={model.typed(option)}
          fault={model.fault(option)}
          onChange={typed => model.set(option, typed)}
          trans={trans}
        />
      ))}
      <SizeFields model={model} trans={trans} />
      <Estimate model={model} trans={trans} />
    </>
  );
}

/** How many workers: a number, or between how many the cluster chooses by itself. */
function SizeFields({ model, trans }: INewClusterFormProps): React.ReactElement {
  const id = React.useId();
  const { size, sizeFault: fault } = model;
  const field = (which: 'workers' | 'minimum' | 'maximum', label: string) => (
    <label className="pj-Field">
      <span>{label}</span>
      <input
        type="number"
        className="pj-Input"
        min={0}
        max={model.estimate?.workers_max ?? undefined}
        step={1}
        value={size[which]}
        aria-invalid={fault !== '' && (which !== 'minimum' || !isCount(size.minimum))}
        aria-describedby={`${id}-fault`}
        onChange={event => model.setSize({ [which]: event.target.value })}
      />
    </label>
  );
  return (
    <>
      <label className="pj-Field pj-mod-tick">
        <input
          type="checkbox"
          checked={size.adapts}
          onChange={event => model.setSize({ adapts: event.target.checked })}
        />
        <span>{trans.__('Only as many workers as the work needs')}</span>
      </label>
      {size.adapts ? (
        <div className="pj-Field-pair">
          {field('minimum', trans.__('At least'))}
          {field('maximum', trans.__('At most'))}
        </div>
      ) : (
        field('workers', trans.__('Workers'))
      )}
      <p id={`${id}-fault`} className="pj-Form-fault">
        {fault}
      </p>
    </>
  );
}
