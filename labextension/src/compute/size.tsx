import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ComputeModel } from './model';
import { titleOf } from './text';
import type { ICluster } from './wire';

interface ISizeFormProps {
  model: ComputeModel;
  cluster: ICluster;
  onClose: () => void;
  trans: TranslationBundle;
}

/** How many workers a cluster has: a number, or what it chooses by itself. */
export function SizeForm({ model, cluster, onClose, trans }: ISizeFormProps): React.ReactElement {
  const [adapts, setAdapts] = React.useState(cluster.adaptive !== null);
  const [workers, setWorkers] = React.useState(String(cluster.workers_wanted));
  const [least, setLeast] = React.useState(String(cluster.adaptive?.minimum ?? 0));
  const [most, setMost] = React.useState(String(cluster.adaptive?.maximum ?? Math.max(cluster.workers_wanted, 1)));
  const first = React.useRef<HTMLInputElement>(null);
  const name = React.useId();
  React.useEffect(() => first.current?.focus(), []);
  const fault = adapts
    ? isCount(least) && isCount(most)
      ? Number(least) > Number(most)
        ? trans.__('The least must not be more than the most.')
        : ''
      : trans.__('These must be whole numbers.')
    : isCount(workers)
      ? ''
      : trans.__('This must be a whole number.');
  const apply = async (event: React.FormEvent) => {
    event.preventDefault();
    if (fault) {
      return;
    }
    const isDone = adapts
      ? await model.adapt(cluster, Number(least), Number(most))
      : await model.scale(cluster, Number(workers));
    if (isDone) {
      onClose();
    }
  };
  const field = (label: string, value: string, set: (value: string) => void) => (
    <label>
      <span>{label}</span>
      <input
        type="number"
        className="pj-Input pj-mod-number"
        min={0}
        step={1}
        value={value}
        aria-invalid={!isCount(value)}
        onChange={event => set(event.target.value)}
      />
    </label>
  );
  return (
    <form
      className="pj-SizeForm"
      noValidate
      aria-label={trans.__('Workers of %1', titleOf(cluster))}
      onSubmit={event => void apply(event)}
    >
      <fieldset>
        <legend className="pj-visually-hidden">{trans.__('How many workers')}</legend>
        <label>
          <input ref={first} type="radio" name={name} checked={!adapts} onChange={() => setAdapts(false)} />
          {trans.__('A fixed number')}
        </label>
        <label>
          <input type="radio" name={name} checked={adapts} onChange={() => setAdapts(true)} />
          {trans.__('As many as the work needs')}
        </label>
      </fieldset>
      <div className="pj-SizeForm-fields">
        {adapts ? (
          <>
            {field(trans.__('From'), least, setLeast)}
            {field(trans.__('to'), most, setMost)}
          </>
        ) : (
          field(trans.__('Workers'), workers, setWorkers)
        )}
      </div>
      {fault && (
        <p className="pj-Form-fault" role="alert">
          {fault}
        </p>
      )}
      <div className="pj-Cluster-actions">
        <button type="submit" className="pj-Button pj-mod-accept" aria-disabled={fault !== ''}>
          {trans.__('Apply')}
        </button>
        <button type="button" className="pj-Button" onClick={onClose}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

function isCount(text: string): boolean {
  return /^\d+$/.test(text.trim());
}
