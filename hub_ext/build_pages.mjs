// Copies what the pages of control need from npm's packages into their static files, each with its licence.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, '..', 'node_modules');
const target = join(here, 'perijove_hub', 'web', 'static', 'vendor');

mkdirSync(target, { recursive: true });
copyFileSync(join(packages, 'chart.js', 'LICENSE.md'), join(target, 'chart.js.LICENSE.md'));
// the library is bundled with its own for colours
copyFileSync(join(packages, '@kurkle', 'color', 'LICENSE.md'), join(target, 'color.LICENSE.md'));
// last, since builds look whether it is there
copyFileSync(join(packages, 'chart.js', 'dist', 'chart.umd.min.js'), join(target, 'chart.umd.min.js'));
