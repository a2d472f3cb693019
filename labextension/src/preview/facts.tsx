import * as React from 'react';
import type { IAttribute } from '../wire';

/** Names with their values below a title; nothing where there is none. */
export function Facts({ title, facts }: { title: string; facts: readonly IAttribute[] }): React.ReactElement | null {
  return facts.length === 0 ? null : (
    <>
      <h3>{title}</h3>
      <dl className="pj-Attributes">
        {facts.map(({ name, value }, index) => (
          <div key={index}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
