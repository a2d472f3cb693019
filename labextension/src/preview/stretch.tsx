import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Colormap, Scale, Stretch } from '../wire';
import { Choice } from './choice';
import { PreviewModel } from './model';

/** What the choices need. */
export interface IStretchChoicesProps {
  model: PreviewModel;
  /** How the picture is drawn now; what the server does not say is its default. */
  drawn: { stretch?: Stretch | null; scale?: Scale | null; colormap?: Colormap | null };
  trans: TranslationBundle;
}

/** How values become brightness and colour. */
export function StretchChoices({ model, drawn, trans }: IStretchChoicesProps): React.ReactElement {
  return (
    <>
      <Choice<Stretch>
        label={trans.__('Stretch')}
        value={drawn.stretch ?? 'asinh'}
        options={[
          ['linear', trans.__('linear')],
          ['sqrt', trans.__('square root')],
          ['log', trans.__('logarithm')],
          ['asinh', trans.__('asinh')]
        ]}
        onChange={stretch => void model.setOptions({ stretch })}
      />
      <Choice<Scale>
        label={trans.__('Scale')}
        value={drawn.scale ?? 'percentile'}
        options={[
          ['zscale', trans.__('zscale')],
          ['minmax', trans.__('least to greatest')],
          ['percentile', trans.__('99.5 percent')]
        ]}
        onChange={scale => void model.setOptions({ scale })}
      />
      <Choice<Colormap>
        label={trans.__('Colours')}
        value={drawn.colormap ?? 'gray'}
        options={[
          ['gray', trans.__('gray')],
          ['viridis', trans.__('viridis')],
          ['inferno', trans.__('inferno')]
        ]}
        onChange={colormap => void model.setOptions({ colormap })}
      />
    </>
  );
}
