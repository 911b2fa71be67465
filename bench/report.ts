import { cpus, totalmem } from 'node:os';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { format } from 'prettier';
import type { Summary } from './rounds.ts';

/** One line of docs/benchmarks.md. */
export interface Line {
  readonly what: string;
  readonly unit: string;
  /** Absolute figure, to give an idea; the machine's noise is in it. */
  readonly value: Summary;
  /** Against what, in the same run. */
  readonly against?: string;
  readonly ratio?: Summary;
  /** What the ratio (or the value, without one) has to reach. */
  readonly target?: string;
}

export interface Report {
  readonly suite: string;
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly lines: readonly Line[];
}

const root = path.resolve(import.meta.dirname, '..');

/** Writes bench/results/<suite>.json and the suite's table in docs/benchmarks.md. */
export async function publish(report: Report): Promise<void> {
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  await mkdir(path.join(root, 'bench/results'), { recursive: true });
  const results = { ...report, at: new Date().toISOString(), machine };
  await writeFile(path.join(root, `bench/results/${report.suite}.json`), `${JSON.stringify(results, null, 2)}\n`);

  const page = path.join(root, 'docs/benchmarks.md');
  const text = await readFile(page, 'utf8');
  const [start, end] = [`<!-- ${report.suite} -->`, `<!-- /${report.suite} -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < 0) throw new Error(`docs/benchmarks.md has no place for ${report.suite}: ${start} … ${end}`);
  const section = `${start}\n\n${report.method}\n\n${table(report.lines)}\n\n`;
  const updated = text.slice(0, from) + section + text.slice(to);
  await writeFile(page, await format(updated, { parser: 'markdown', printWidth: 120 }));
}

function table(lines: readonly Line[]): string {
  const rows = lines.map(({ what, unit, value, against, ratio, target }) =>
    [
      what,
      `${number(value.median)} ${unit}`,
      `${number(value.min)}–${number(value.max)}`,
      ratio ? `**${ratio.median.toFixed(2)}** (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})` : '',
      against ?? '',
      target ?? '',
    ].join(' | '),
  );
  const head = ['what', 'median', 'range', 'ratio', 'against', 'target'];
  return [head.join(' | '), head.map(() => '---').join(' | '), ...rows].map((row) => `| ${row} |`).join('\n');
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
