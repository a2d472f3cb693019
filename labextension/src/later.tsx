import * as React from 'react';

/** What a part that is loaded late needs. */
export interface ILaterProps {
  children: React.ReactNode;
  /** Shown until it is here. */
  waiting?: React.ReactNode;
  /** Shown when it does not come. */
  failed?: React.ReactNode;
}

/** Holds a part whose code is loaded when it is first shown; when that fails, only this part is missing. */
export class Later extends React.Component<ILaterProps, { failed: boolean }> {
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override state = { failed: false };

  override render(): React.ReactNode {
    return this.state.failed ? (
      (this.props.failed ?? null)
    ) : (
      <React.Suspense fallback={this.props.waiting ?? null}>{this.props.children}</React.Suspense>
    );
  }
}
