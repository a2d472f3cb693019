import * as React from 'react';

/** What a part that can be folded away needs. */
export interface IDisclosureProps {
  title: string;
  /** What tells it apart from others of this title, for a screen reader. */
  label?: string;
  /** A few words beside the title, seen also when it is folded. */
  aside?: string;
  className?: string;
  /** Whether it is open at first. */
  isOpen?: boolean;
  /** Shown in the place of the part while it is folded. */
  folded?: React.ReactNode;
  children: React.ReactNode;
}

/** A part with a title that shows and hides it; what is hidden is not in the page. */
export function Disclosure(props: IDisclosureProps): React.ReactElement {
  const { title, label = title, aside, className, folded, children } = props;
  const [open, setOpen] = React.useState(props.isOpen ?? false);
  return (
    <section className={`pj-Disclosure ${className ?? ''}`} aria-label={label}>
      <button type="button" className="pj-Details-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span>{title}</span>
        {aside && <small>{aside}</small>}
      </button>
      {open ? <div className="pj-Disclosure-body">{children}</div> : folded}
    </section>
  );
}
