import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { StepButton } from './step-button';

/** What the buttons need. */
export interface IZoomButtonsProps {
  isWhole: boolean;
  isLargest: boolean;
  onZoom: (factor: number) => void;
  /** One pixel of the plane becomes one of the screen. */
  onActual: () => void;
  onWhole: () => void;
  trans: TranslationBundle;
}

/** The ways to make a picture larger and smaller that need no wheel. */
export function ZoomButtons(props: IZoomButtonsProps): React.ReactElement {
  const { isWhole, isLargest, trans } = props;
  return (
    <div className="pj-Picture-buttons" role="group" aria-label={trans.__('Zoom')}>
      <StepButton words={trans.__('Zoom out (-)')} off={isWhole} onClick={() => props.onZoom(0.5)}>
        −
      </StepButton>
      <StepButton words={trans.__('Zoom in (+)')} off={isLargest} onClick={() => props.onZoom(2)}>
        +
      </StepButton>
      <StepButton words={trans.__('One pixel of the image for one of the screen (1)')} onClick={props.onActual}>
        100%
      </StepButton>
      <StepButton words={trans.__('Whole picture (0)')} off={isWhole} onClick={props.onWhole}>
        {trans.__('Whole picture')}
      </StepButton>
    </div>
  );
}
