import { pipeline, Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import type { DataSource } from 'typeorm';
import { type ListFilter, listSuppressions, type Place } from './suppression.queries.ts';
import type { Suppression } from './suppression.rules.ts';

export const exportColumns = ['recipient', 'channel', 'scope', 'state', 'reason', 'keyword', 'at', 'source'] as const;

type ExportFilter = Omit<ListFilter, 'after' | 'limit'>;

/** Streamed page by page, in bounded memory; what changes meanwhile is in it or not. */
export function exportCsv(db: DataSource, tenant: string, filter: ExportFilter): Readable {
  const csv = stringify({
    header: true,
    columns: [...exportColumns],
    record_delimiter: 'windows',
    cast: { string: inertCell },
  });
  // An error also ends `csv`: whoever reads it hears of it there, as the answer has begun by then.
  return pipeline(Readable.from(pages(db, tenant, filter)), csv, () => undefined);
}

async function* pages(db: DataSource, tenant: string, filter: ExportFilter): AsyncGenerator<Suppression> {
  const limit = 2_000;
  let after: Place | undefined;
  for (;;) {
    const page = await listSuppressions(db, tenant, { ...filter, after, limit });
    yield* page;
    after = page.at(-1);
    if (page.length < limit) return;
  }
}

/**
 * Spreadsheets run cells that begin so as formulas; a leading apostrophe makes them text. A plain number in E.164 is left
 * as it is: as a formula it is itself, and whoever reads the file wants the number. Source: OWASP, CSV injection.
 */
export function inertCell(cell: string): string {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(cell) && !/^\+\d+$/.test(cell) ? `'${cell}` : cell;
}
