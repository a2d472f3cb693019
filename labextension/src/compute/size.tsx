import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ComputeModel } from './model';
import { isCount, ISizeTyped, sizeMeant, sizeTypedOf } from './size-typed';
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
  const [typed, setTyped] = React.useState(() => ({
    ...sizeTypedOf(cluster),
    workers: String(cluster.workers_wanted)
  }));
  const first = React.useRef<HTMLInputElement>(null);
  const name = React.useId();
  React.useEffect(() => first.current?.focus(), []);
  const { adapts } = typed;
  const { size, fault } = sizeMeant(typed, null, trans);
  const set = (change: Partial<ISizeTyped>) => setTyped({ ...typed, ...change });
  const apply = async (event: React.FormEvent) => {
    event.preventDefault();
    if (size === null) {
      return;
    }
    const isDone =
      'workers' in size
        ? await model.scale(cluster, size.workers)
        : await model.adapt(cluster, size.minimum, size.maximum);
    if (isDone) {
      onClose();
    }
  };
  const field = (label: string, which: 'workers' | 'minimum' | 'maximum') => (
    <label>
      <span>{label}</span>
      <input
        type="number"
        className="pj-Input pj-mod-number"
        min={0}
        step={1}
        value={typed[which]}
        aria-invalid={!isCount(typed[which])}
        onChange={event => set({ [which]: event.target.value })}
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
          <input ref={first} type="radio" name={name} checked={!adapts} onChange={() => set({ adapts: false })} />
          {trans.__('A fixed number')}
        </label>
        <label>
          <input type="radio" name={name} checked={adapts} onChange={() => set({ adapts: true })} />
          {trans.__('As many as the work needs')}
        </label>
      </fieldset>
      <div className="pj-SizeForm-fields">
        {adapts ? (
          <>
            {field(trans.__('From'), 'minimum')}
            {field(trans.__('to'), 'maximum')}
          </>
        ) : (
          field(trans.__('Workers'), 'workers')
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
