import * as React from 'react';

/** What a choice needs. */
export interface IChoiceProps<Value extends string> {
  label: string;
  value: Value;
  /** Each value with its words. */
  options: [Value, string][];
  onChange: (value: Value) => void;
}

/** One of several values, with a label before it. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  onChange
}: IChoiceProps<Value>): React.ReactElement {
  return (
    <label className="pj-Choice">
      <span>{label}</span>
      <select className="pj-Select" value={value} onChange={event => onChange(event.target.value as Value)}>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
