import { expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const operations = read('docs/operations.md');

/** Names as schemas declare them (`PORT: z.…`) and as code reads them (`env['PORT']`). */
const variablesIn = (source: string) =>
  [...source.matchAll(/^\s+([A-Z][A-Z0-9_]+):|env\['([A-Z0-9_]+)'\]|\{ (KAFKA_[A-Z_]+): /gm)].flatMap((match) =>
    match.slice(1).filter((name) => name !== undefined),
  );

const sources = [
  ...globSync('{apps,libs}/*/src/config.ts', { cwd: root }),
  'libs/service/src/service.ts',
  ...['libs/kafka/src/kafka.ts', 'libs/kafka/src/ensure-topics.cli.ts'],
];

it.each(sources)('docs/operations.md describes every variable of %s', (source) => {
  const variables = variablesIn(read(source));
  expect(variables.length).toBeGreaterThan(0);
  expect(variables.filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
});

it('docs/operations.md names only metrics that exist', () => {
  const code = globSync('{apps,libs}/*/src/**/*.ts', { cwd: root }).map(read).join('\n');
  const metrics = [...operations.matchAll(/`(signalbox_[a-z_]+)/g)].map(([, name]) => name);
  expect(metrics.length).toBeGreaterThan(0);
  expect(metrics.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
});

it.each(globSync(['*.md', 'docs/**/*.md', '{apps,libs}/*/README.md'], { cwd: root }))(
  '%s links to files that exist',
  (page) => {
    const links = [...read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = '']) =>
      join(page, '..', target),
    );
    const missing = links.filter((target) => globSync(target.replace(/\/$/, ''), { cwd: root }).length === 0);
    expect(missing).toEqual([]);
  },
);
