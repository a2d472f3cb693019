/** The icons of this extension; their colours follow the theme by JupyterLab's classes. */

import { LabIcon } from '@jupyterlab/ui-components';
import computeSvg from '../style/icons/compute.svg';
import dataSvg from '../style/icons/data.svg';
import datasetSvg from '../style/icons/dataset.svg';
import endSvg from '../style/icons/end.svg';
import limitSvg from '../style/icons/limit.svg';
import usageSvg from '../style/icons/usage.svg';
import warningSvg from '../style/icons/warning.svg';

/** The Compute panel, and clusters. */
export const computeIcon = new LabIcon({ name: 'perijove:compute', svgstr: computeSvg });

/** The Data panel. */
export const dataIcon = new LabIcon({ name: 'perijove:data', svgstr: dataSvg });

/** Datasets as folders. */
export const datasetIcon = new LabIcon({ name: 'perijove:dataset', svgstr: datasetSvg });

/** A limit with room left. */
export const usageIcon = new LabIcon({ name: 'perijove:usage', svgstr: usageSvg });

/** A limit that is nearly reached. */
export const warningIcon = new LabIcon({ name: 'perijove:warning', svgstr: warningSvg });

/** A limit that is reached. */
export const limitIcon = new LabIcon({ name: 'perijove:limit', svgstr: limitSvg });

/** A session that ends soon. */
export const endIcon = new LabIcon({ name: 'perijove:end', svgstr: endSvg });
