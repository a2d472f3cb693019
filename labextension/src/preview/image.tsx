import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IImageContent, IPlanePart } from '../wire';
import { HeaderTable } from './header';
import type { IRefined, PreviewModel } from './model';
import { Picture } from './picture';
import { elementAt, IPoint, partOf, pointWithin } from './pointer';
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
  const [withHeader, setWithHeader] = React.useState(true);
  const cards = content.header ?? [];
  const part = React.useMemo(
    () => partOf(content.part, content, content.shape, (content.hdu ?? null) !== null),
    [content]
  );
  return (
    <>
      <div className="pj-Preview-controls" role="group" aria-label={trans.__('How the image is drawn')}>
        {content.stretch && <StretchChoices model={model} drawn={content} trans={trans} />}
        {cards.length > 0 && (
          <ToggleButton on={withHeader} onClick={() => setWithHeader(!withHeader)}>
            {trans.__('Header')}
          </ToggleButton>
        )}
      </div>
      {content.note && <p className="pj-Preview-note">{content.note}</p>}
      <div className="pj-Preview-split">
        <Picture
          // another plane is looked at from its whole
          key={`${content.hdu} ${part.columns} ${part.rows}`}
          model={model}
          part={part}
          width={content.width}
          height={content.height}
          alt={trans.__('%1, %2 pixels', title, content.shape.join(' × '))}
          tell={point => tell(content, part, model.refined, point, trans)}
          trans={trans}
        />
        {withHeader && cards.length > 0 && <HeaderTable cards={cards} trans={trans} />}
      </div>
    </>
  );
}

/** The pixel of the array, and the position on the sky where that is known. */
export function tell(
  content: IImageContent,
  part: IPlanePart,
  refined: IRefined | null,
  point: IPoint,
  trans: TranslationBundle
): string[] {
  const [column, row] = elementAt(point, part);
  const told = [trans.__('pixel x %1, y %2 (from 0)', column, row)];
  // the grid over a part has its crossings nearer to each other
  const fine = refined?.sky && isWithin(point, refined.part) ? refined : null;
  const grid = fine ? fine.sky : content.sky;
  const at = fine ? pointWithin(point, fine.part, fine) : pointWithin(point, part, content);
  const position = grid ? skyAt(grid, at.x, at.y) : null;
  if (grid && position) {
    told.push(`${grid.frame.toUpperCase()} ${decimal(position)}`);
    if (isEquatorial(grid.frame)) {
      told.push(sexagesimal(position));
    }
  }
  return told;
}

function isWithin({ x, y }: IPoint, part: IPlanePart): boolean {
  return x >= part.x && y >= part.y && x <= part.x + part.width && y <= part.y + part.height;
}
