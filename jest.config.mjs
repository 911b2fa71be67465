import { readFileSync } from 'node:fs';

const swc = JSON.parse(readFileSync(new URL('./.swcrc', import.meta.url), 'utf8'));
// The specifiers must keep their .ts extension here: Jest loads the sources, not the build.
delete swc.$schema;
delete swc.jsc.rewriteRelativeImportExtensions;

export default {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@signalbox/source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/{apps,libs,tools}/**/*.spec.ts'],
  modulePathIgnorePatterns: ['/dist/', '/\\.local/', '/\\.nx/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false }] },
  testTimeout: 60_000,
  maxWorkers: 2,
};
