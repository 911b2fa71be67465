import { describe, expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { catalogue, type CataloguedError } from '../../libs/twilio/src/error-catalogue.ts';
import { cataloguePage, runbookFaults } from './catalogue-page.ts';

const unreachable: CataloguedError = {
  code: 30003,
  class: 'terminal',
  retryable: false,
  title: 'The handset is unreachable',
  remedy: 'Use another channel.',
  runbook: 'docs/runbooks/twilio/30003.md',
};
const busy: CataloguedError = {
  ...unreachable,
  code: 20429,
  class: 'rate',
  retryable: true,
  title: 'Too many requests',
  runbook: 'https://www.twilio.com/docs/api/errors/20429',
};
const runbook = `# 30003: The handset is unreachable

**Symptom.** …

**Meaning.** …

**First two commands.**

**Fix.**

**Prevention.**
`;

describe('cataloguePage', () => {
  const rows = cataloguePage([unreachable, busy], new Map([['30003.md', runbook]]))
    .trim()
    .split('\n')
    .slice(-2);

  it('lists the codes in order and leads to a runbook where there is one', () => {
    expect(rows).toEqual([
      '| 20429 | Too many requests | rate | yes | Use another channel. |  |',
      '| 30003 | The handset is unreachable | terminal | no | Use another channel. | [runbook](30003.md) |',
    ]);
  });
});

describe('runbookFaults', () => {
  it.each([
    ['a runbook as it should be', '30003.md', runbook, []],
    ['a code nobody knows', '99999.md', runbook, ['99999.md: the catalogue has no such code']],
    [
      'another title',
      '30003.md',
      runbook.replace('unreachable', 'away'),
      ['30003.md: does not begin with "# 30003: The handset is unreachable"'],
    ],
    ['a missing section', '30003.md', runbook.replace('**Fix.**', ''), ['30003.md: has no Fix']],
  ])('%s', (_label, name, content, faults) => {
    expect(
      runbookFaults(
        [unreachable, busy],
        new Map([
          ['30003.md', runbook],
          [name, content],
        ]),
      ),
    ).toEqual(faults);
  });

  it.each([
    ['is missing where the catalogue leads to one', [unreachable, busy], new Map(), ['30003.md: is missing']],
    [
      'is one the catalogue does not lead to',
      [{ ...unreachable, runbook: busy.runbook }],
      new Map([['30003.md', runbook]]),
      ['30003.md: is not in codesWithRunbook'],
    ],
  ])('tells that a runbook %s', (_label, errors, runbooks, faults) => {
    expect(runbookFaults(errors, runbooks)).toEqual(faults);
  });
});

describe('docs/runbooks/twilio', () => {
  const root = join(import.meta.dirname, '../..');
  const pages = globSync('docs/runbooks/twilio/*.md', { cwd: root });
  const read = (path: string) => readFileSync(join(root, path), 'utf8');

  // The handbook's codes, which must not lose theirs.
  it.each([11200, 11205, 20003, 20429, 21211, 21408, 21610, 21614, 30003, 30005, 30006, 30007, 30008, 30034, 63016])(
    'has a runbook for %i',
    (code) => expect(pages).toContain(`docs/runbooks/twilio/${code}.md`),
  );

  it('has runbooks only for codes of the catalogue, each complete', () => {
    const runbooks = new Map(
      pages.filter((page) => !page.endsWith('README.md')).map((page) => [page.split('/').at(-1) ?? '', read(page)]),
    );
    expect(runbookFaults([...catalogue.values()], runbooks)).toEqual([]);
  });

  it.each(pages)('%s links to files that exist and names metrics that exist', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link = '']) =>
      join(dirname(page), link),
    );
    expect(links.filter((link) => globSync(link, { cwd: root }).length === 0)).toEqual([]);
    const metrics = [...read(page).matchAll(/`(signalbox_[a-z_]+)/g)].map(([, name = '']) => name);
    expect(metrics.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  });

  const code = globSync('{apps,libs}/*/src/**/*.ts', { cwd: root }).map(read).join('\n');
});
