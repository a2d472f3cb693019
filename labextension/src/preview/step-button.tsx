import * as React from 'react';

/** What the button needs. */
export interface IStepButtonProps {
  /** What it does, where its sign does not say so. */
  words: string;
  className?: string;
  /** Whether there is nothing left for it to do. */
  off?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

/** A button for one step of many, which stays where it is and keeps the keyboard when there is no further one. */
export function StepButton({ words, className = '', off, onClick, children }: IStepButtonProps): React.ReactElement {
  return (
    <button
      type="button"
      className={`pj-Button ${className}`}
      aria-label={words}
      title={words}
      aria-disabled={off}
      onClick={() => off || onClick()}
    >
      {children}
    </button>
  );
}
