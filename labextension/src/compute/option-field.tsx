import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { boundsText, Typed, wordOf } from './fields';
import type { IClusterOption } from './wire';

interface IOptionFieldProps {
  option: IClusterOption;
  typed: Typed;
  fault: string;
  onChange: (typed: Typed) => void;
  trans: TranslationBundle;
}

/** The field of one option of a gateway. */
export function OptionField({ option, typed, fault, onChange, trans }: IOptionFieldProps): React.ReactElement {
  const id = React.useId();
  if (option.kind === 'bool') {
    return (
      <label className="pj-Field pj-mod-tick">
        <input type="checkbox" checked={typed === true} onChange={event => onChange(event.target.checked)} />
        <span>{option.label}</span>
      </label>
    );
  }
  const hint = [boundsText(option, trans), option.kind === 'mapping' && trans.__('one name=value a line')]
    .filter(Boolean)
    .join(', ');
  return (
    <>
      <label className="pj-Field">
        <span>
          {option.label}
          {hint && <small> ({hint})</small>}
        </span>
        <Control option={option} typed={String(typed)} fault={fault} describedBy={id} onChange={onChange} />
      </label>
      <p id={id} className="pj-Form-fault">
        {fault}
      </p>
    </>
  );
}

interface IControlProps {
  option: IClusterOption;
  typed: string;
  fault: string;
  describedBy: string;
  onChange: (typed: string) => void;
}

function Control({ option, typed, fault, describedBy, onChange }: IControlProps): React.ReactElement {
  const common = {
    value: typed,
    'aria-invalid': fault !== '',
    'aria-describedby': describedBy,
    onChange: (event: React.ChangeEvent<HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement>) =>
      onChange(event.target.value)
  };
  switch (option.kind) {
    case 'select':
      return (
        <select className="pj-Select" {...common}>
          {option.choices.map((choice, index) => (
            <option key={index} value={String(index)}>
              {wordOf(choice)}
            </option>
          ))}
        </select>
      );
    case 'mapping':
      return <textarea className="pj-Input" rows={2} spellCheck={false} {...common} />;
    case 'int':
    case 'float':
      return (
        <input
          type="number"
          className="pj-Input"
          min={option.minimum ?? undefined}
          max={option.maximum ?? undefined}
          step={option.kind === 'int' ? 1 : 'any'}
          {...common}
        />
      );
    default:
      return <input className="pj-Input" {...common} />;
  }
}
