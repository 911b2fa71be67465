import { expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const [, diagram = ''] = /```mermaid\n(flowchart[^]*?)```/.exec(page) ?? [];

interface Hop {
  readonly file: string;
  readonly functions: readonly string[];
}

/** Every box `file.ts<br/>function, function`, with the folder of the subgraph it stands in. */
function hopsOf(lines: readonly string[]): Hop[] {
  let folder = '';
  return lines.flatMap((line) => {
    folder = /subgraph \w+ \["([^":]+)/.exec(line)?.[1] ?? folder;
    return [...line.matchAll(/\["([\w./-]+\.ts)<br\/>([\w, ]+)"\]/g)].map(([, file = '', functions = '']) => ({
      file: join(folder, file),
      functions: functions.split(', '),
    }));
  });
}

const hops = hopsOf(diagram.split('\n'));

it('the way of a message is drawn', () => {
  expect(hops.length).toBeGreaterThan(20);
});

it.each(hops)('$file has $functions, as docs/architecture.md says', ({ file, functions }) => {
  expect(globSync(file, { cwd: root })).toEqual([file]);
  const source = readFileSync(join(root, file), 'utf8');
  const isDefined = (name: string) =>
    new RegExp(String.raw`(?:function |async |^ {2})#?${name}(?:<[^(]*>)?\(`, 'm').test(source);
  const missing = functions.filter((name) => !isDefined(name));
  expect(missing).toEqual([]);
});
