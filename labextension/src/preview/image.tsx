import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IImageContent } from '../wire';
import { HeaderTable } from './header';
import { PreviewModel } from './model';
import { Picture } from './picture';
import { elementAt, IPoint } from './pointer';
import { decimal, isEquatorial, sexagesimal, skyAt } from './sky';
import { StretchChoices } from './stretch';
import { ToggleButton } from './toggle';

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
        {content.stretch && <StretchChoices model={model} drawn={content} trans={trans} />}
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
        <Picture
          url={model.pictureUrl}
          width={content.width}
          height={content.height}
          alt={trans.__('%1, %2 pixels', title, content.shape.join(' × '))}
          actualSize={actualSize}
          tell={point => tell(content, point, trans)}
          trans={trans}
        />
        {withHeader && cards.length > 0 && <HeaderTable cards={cards} trans={trans} />}
      </div>
    </>
  );
}

/** The pixel of the array, and the position on the sky where that is known. */
export function tell(content: IImageContent, point: IPoint, trans: TranslationBundle): string[] {
  const isFits = (content.hdu ?? null) !== null;
  const [column, row] = elementAt(point, content, content.shape, isFits);
  const told = [trans.__('pixel x %1, y %2 (from 0)', column, row)];
  const position = content.sky ? skyAt(content.sky, point.x, point.y) : null;
  if (content.sky && position) {
    told.push(`${content.sky.frame.toUpperCase()} ${decimal(position)}`);
    if (isEquatorial(content.sky.frame)) {
      told.push(sexagesimal(position));
    }
  }
  return told;
}
