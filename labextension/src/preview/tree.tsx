import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IFileNode, ITreeContent } from '../wire';
import { DrawingView } from './drawing';
import { Facts } from './facts';
import { PreviewModel } from './model';
import { nodeText } from './structure';
import { StructureTree } from './structure-tree';

/** What the view of a file's parts needs. */
export interface ITreeViewProps {
  model: PreviewModel;
  content: ITreeContent;
  trans: TranslationBundle;
}

/** What a file is made of, and one of its arrays drawn. For `React.lazy`. */
export default function TreeView({ model, content, trans }: ITreeViewProps): React.ReactElement {
  const drawing = content.drawing ?? null;
  const [chosen, setChosen] = React.useState<string | null>(null);
  const selected = content.nodes.find(node => node.path === (chosen ?? drawing?.node)) ?? content.nodes[0];
  const select = (node: IFileNode) => {
    setChosen(node.path);
    if (node.kind !== 'group' && node.path !== model.options.node) {
      void model.setOptions({ node: node.path });
    }
  };
  const notes = [content.note, content.truncated && trans.__('The file has more parts than are shown here.')];
  return (
    <>
      {notes.some(Boolean) && <p className="pj-Preview-note">{notes.filter(Boolean).join(' ')}</p>}
      <div className="pj-Structure">
        <div className="pj-Structure-side">
          <StructureTree nodes={content.nodes} selected={selected?.path ?? ''} onSelect={select} trans={trans} />
          {selected && <NodeFacts node={selected} trans={trans} />}
        </div>
        {drawing ? (
          <DrawingView model={model} drawing={drawing} trans={trans} />
        ) : (
          <p className="pj-Preview-waiting">
            {content.nodes.length === 0
              ? trans.__('There is nothing in this file.')
              : trans.__('Nothing of this can be drawn. Insert code to open it.')}
          </p>
        )}
      </div>
    </>
  );
}

function NodeFacts({ node, trans }: { node: IFileNode; trans: TranslationBundle }): React.ReactElement {
  const facts = [
    { name: trans.__('Path'), value: node.path },
    { name: trans.__('Type and shape'), value: nodeText(node) },
    { name: trans.__('Unit'), value: node.unit ?? '' }
  ].filter(({ value }) => value !== '');
  return (
    <div
      className="pj-Preview-side"
      role="group"
      aria-label={trans.__('About %1', node.name || node.path)}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <Facts title={node.name || node.path} facts={facts} />
      {node.note && <p>{node.note}</p>}
      <Facts title={trans.__('Attributes')} facts={node.attributes ?? []} />
    </div>
  );
}
