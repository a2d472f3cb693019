import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Colormap, IImageContent, Scale, Stretch } from '../wire';
import { Choice } from './choice';
import { HeaderTable } from './header';
import { PreviewModel } from './model';

/** What the view of an image needs. */
export interface IImageViewProps {
  model: PreviewModel;
  title: string;
  content: IImageContent;
  trans: TranslationBundle;
}

/** The picture of an array, the controls of how it is drawn, and the header it came with. */
export function ImageView({ model, title, content, trans }: IImageViewProps): React.ReactElement {
  const [actualSize, setActualSize] = React.useState(false);
  const [withHeader, setWithHeader] = React.useState(true);
  const cards = content.header ?? [];
  return (
    <>
      <div className="pj-Preview-controls" role="group" aria-label={trans.__('How the image is drawn')}>
        {content.stretch && <DrawingControls model={model} content={content} trans={trans} />}
        <ToggleButton on={!actualSize} onClick={() => setActualSize(false)}>
          {trans.__('Fit')}
        </ToggleButton>
        <ToggleButton on={actualSize} onClick={() => setActualSize(true)}>
          {trans.__('100%')}
        </ToggleButton>
        {cards.length > 0 && (
          <ToggleButton on={withHeader} onClick={() => setWithHeader(!withHeader)}>
            {trans.__('Header')}
          </ToggleButton>
        )}
      </div>
      {content.note && <p className="pj-Preview-note">{content.note}</p>}
      <div className="pj-Preview-split">
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
        <figure className="pj-Preview-figure" data-zoom={actualSize ? 'actual' : 'fit'} tabIndex={0}>
          {model.pictureUrl && (
            <img
              src={model.pictureUrl}
              width={content.width}
              height={content.height}
              alt={trans.__('%1, %2 pixels', title, content.shape.join(' × '))}
            />
          )}
        </figure>
        {withHeader && cards.length > 0 && <HeaderTable cards={cards} trans={trans} />}
      </div>
    </>
  );
}

function DrawingControls({ model, content, trans }: Omit<IImageViewProps, 'title'>): React.ReactElement {
  return (
    <>
      <Choice<Stretch>
        label={trans.__('Stretch')}
        value={content.stretch ?? 'asinh'}
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
        value={content.scale ?? 'percentile'}
        options={[
          ['zscale', trans.__('zscale')],
          ['minmax', trans.__('least to greatest')],
          ['percentile', trans.__('99.5 percent')]
        ]}
        onChange={scale => void model.setOptions({ scale })}
      />
      <Choice<Colormap>
        label={trans.__('Colours')}
        value={content.colormap ?? 'gray'}
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

interface IToggleProps {
  on: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function ToggleButton({ on, onClick, children }: IToggleProps): React.ReactElement {
  return (
    <button type="button" className="pj-Button" aria-pressed={on} onClick={onClick}>
      {children}
    </button>
  );
}
