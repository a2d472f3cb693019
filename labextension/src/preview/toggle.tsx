import * as React from 'react';

/** What a toggle needs. */
export interface IToggleProps {
  on: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

/** A button that is on or off. */
export function ToggleButton({ on, onClick, children }: IToggleProps): React.ReactElement {
  return (
    <button type="button" className="pj-Button" aria-pressed={on} onClick={onClick}>
      {children}
    </button>
  );
}
