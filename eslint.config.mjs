import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import ts from 'typescript-eslint';

const impure = [
  '@nestjs/*',
  'typeorm',
  'pg',
  'kafkajs',
  '/twilio',
  '@sendgrid/*',
  'undici',
  'node:fs',
  'node:fs/*',
  'node:http',
  'node:crypto',
  'node:timers',
  'node:timers/*',
];

export default ts.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.local/**', '.nx/**', 'docs/contracts/**', 'coverage/**'] },
  js.configs.recommended,
  ...ts.configs.recommendedTypeChecked,
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          allowCircularSelfDependency: false,
          depConstraints: [
            {
              sourceTag: 'type:app',
              onlyDependOnLibsWithTags: ['type:lib', 'type:foundation', 'type:contracts', 'type:testing'],
            },
            {
              sourceTag: 'type:simulator',
              onlyDependOnLibsWithTags: ['type:lib', 'type:foundation', 'type:contracts', 'type:testing'],
            },
            {
              sourceTag: 'type:lib',
              onlyDependOnLibsWithTags: ['type:lib', 'type:foundation', 'type:contracts', 'type:testing'],
            },
            {
              sourceTag: 'type:client',
              onlyDependOnLibsWithTags: ['type:contracts', 'type:foundation', 'type:testing'],
            },
            { sourceTag: 'type:contracts', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:foundation', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['type:lib', 'type:foundation', 'type:contracts'] },
            { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
          ],
        },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // Only tests may reach into libs/testing: it starts processes and knows fake credentials.
    files: ['{apps,libs}/*/src/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/testing/**'],
    rules: {
      'no-restricted-imports': ['error', { paths: [{ name: '@signalbox/testing', message: 'for specs only' }] }],
    },
  },
  {
    files: ['**/*.rules.ts', '**/*.state.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: impure, message: 'Rules and state machines are pure: pass it in as an argument.' }] },
      ],
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'process', 'fetch', 'performance', 'crypto'],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Pass the time in.' },
        { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'Pass the time in.' },
        {
          selector: "MemberExpression[object.name='Math'][property.name='random']",
          message: 'Pass the randomness in.',
        },
      ],
    },
  },
  { files: ['tools/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.mjs'],
    ...ts.configs.disableTypeChecked,
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  prettier,
);
