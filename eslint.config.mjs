// One ESLint configuration for every workspace: run `npm run lint` at the root, or in a workspace.
import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '**/lib/**',
      '**/node_modules/**',
      '**/test-results/**',
      '.venv/**',
      '**/labextension/static/**',
      '**/static/vendor/**'
    ]
  },
  js.configs.recommended,
  {
    files: ['hub_ext/**/*.{js,mjs}'],
    // tsc knows what a browser and a page have, and checks these files
    rules: { 'no-undef': 'off', 'no-console': 'error', eqeqeq: 'error' }
  },
  {
    files: ['**/*.{ts,tsx,mts}'],
    extends: [tseslint.configs.recommendedTypeChecked, reactHooks.configs.flat.recommended],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/naming-convention': [
        'error',
        // JupyterLab's custom: an interface is IThing, so that a token may carry the same name
        { selector: 'interface', format: ['PascalCase'], prefix: ['I'] },
        { selector: 'memberLike', modifiers: ['private'], format: ['camelCase'], leadingUnderscore: 'require' }
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      // warns users of the React Compiler, which is not used here
      'react-hooks/incompatible-library': 'off',
      'no-console': 'error',
      eqeqeq: 'error'
    }
  },
  {
    files: ['**/*.tsx'],
    extends: [jsxA11y.flatConfigs.strict]
  }
);
