import * as React from 'react';

/** What a part that can be folded away needs. */
export interface IDisclosureProps {
  title: string;
  /** A few words beside the title, seen also when it is folded. */
  aside?: string;
  className?: string;
  /** Shown in the place of the part while it is folded. */
  folded?: React.ReactNode;
  children: React.ReactNode;
}

/** A part with a title that shows and hides it; what is hidden is not in the page. */
export function Disclosure({ title, aside, className, folded, children }: IDisclosureProps): React.ReactElement {
  const [open, setOpen] = React.useState(false);
  return (
    <section className={`pj-Disclosure ${className ?? ''}`} aria-label={title}>
      <button type="button" className="pj-Details-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span>{title}</span>
        {aside && <small>{aside}</small>}
      </button>
      {open ? <div className="pj-Disclosure-body">{children}</div> : folded}
    </section>
  );
}
