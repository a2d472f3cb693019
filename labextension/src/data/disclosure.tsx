import * as React from 'react';

/** What a part that can be folded away needs. */
export interface IDisclosureProps {
  title: string;
  /** Whether it is one of many in a list, and so no landmark of the page. */
  isMinor?: boolean;
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
  const { title, aside, className, folded, children } = props;
  const [open, setOpen] = React.useState(props.isOpen ?? false);
  const content = (
    <>
      <button type="button" className="pj-Details-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span>{title}</span>
        {aside && <small>{aside}</small>}
      </button>
      {open ? <div className="pj-Disclosure-body">{children}</div> : folded}
    </>
  );
  const classes = `pj-Disclosure ${className ?? ''}`;
  return props.isMinor ? (
    <div className={classes}>{content}</div>
  ) : (
    <section className={classes} aria-label={title}>
      {content}
    </section>
  );
}
