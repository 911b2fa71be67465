import type { Readable } from 'node:stream';
import type { Transact } from '@signalbox/persistence';
import type { Tenant } from '@signalbox/tenants';
import { toE164 } from '@signalbox/twilio';
import { type CsvError, parse } from 'csv-parse';
import { countSuppressions } from '../metrics.ts';
import type { ImportReport } from './suppression.schemas.ts';
import type { SuppressionRequest } from './suppression.rules.ts';
import { applyRequests } from './suppression.store.ts';
import { readRecipient, readScope } from './written.rules.ts';

/** Rows of one transaction. */
const chunkRows = 1_000;
const maxFaults = 1_000;
/** Characters of a record; a quote that is never closed must not collect the whole file. */
const maxRecord = 2_000;

/** The file as a whole cannot be read; nothing of it was imported. */
export class NotASuppressionFile extends Error {
  override readonly name = 'NotASuppressionFile';
}

interface CsvRecord {
  readonly record: Readonly<Record<string, string | undefined>>;
  readonly info: { readonly lines: number };
}

/**
 * Opts out everyone in a CSV file with the column `recipient` and, if it likes, `channel`, `scope` and `state`; an export is
 * such a file. Read as fast as it is written, chunk by chunk: an import that breaks off has done its first part, and
 * repeating it does no harm. Nobody is ever opted in.
 * @throws NotASuppressionFile
 */
export async function importCsv(csv: Readable, tenant: Tenant, transact: Transact, now: Date): Promise<ImportReport> {
  const report = { lines: 0, added: 0, unchanged: 0, faulty: 0, faults: [] as ImportReport['faults'] };
  const fault = (line: number, detail: string) => {
    report.faulty++;
    if (report.faults.length < maxFaults) report.faults.push({ line, detail });
  };
  const parser = parse({
    bom: true,
    columns: readHeader,
    info: true,
    max_record_size: maxRecord,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    trim: true,
    on_skip: (error) => {
      report.lines++;
      fault(typeof error?.lines === 'number' ? error.lines : 0, describe(error));
      return undefined;
    },
  });
  csv.on('error', (error) => parser.destroy(error));
  csv.pipe(parser);

  let chunk: SuppressionRequest[] = [];
  const flush = async () => {
    const requests = chunk;
    chunk = [];
    const changes = await transact((tx) => applyRequests(tx, requests));
    countSuppressions(changes);
    report.added += changes.length;
    report.unchanged += requests.length - changes.length;
  };
  try {
    for await (const { record, info } of parser as AsyncIterable<CsvRecord>) {
      report.lines++;
      const read = readRecord(record, tenant, now);
      if (!read.ok) fault(info.lines, read.detail);
      else if (chunk.push(read.request) >= chunkRows) await flush();
    }
    await flush();
  } finally {
    csv.unpipe(parser);
  }
  return report;
}

function readHeader(names: readonly string[]): string[] {
  const header = names.map((name) => name.trim().toLowerCase());
  if (!header.includes('recipient')) {
    throw new NotASuppressionFile('The first line has to name the columns, and `recipient` among them');
  }
  return header;
}

function readRecord(
  record: CsvRecord['record'],
  tenant: Tenant,
  now: Date,
): { ok: true; request: SuppressionRequest } | { ok: false; detail: string } {
  const cell = (name: string) => record[name]?.replace(/^'(?=[=+\-@])/, '') || undefined;
  const channel = cell('channel')?.toLowerCase();
  if (channel !== undefined && !isChannel(channel)) {
    return { ok: false, detail: 'channel: not sms, mms, rcs or whatsapp' };
  }
  const state = cell('state');
  if (state !== undefined && state !== 'opted_out') {
    return { ok: false, detail: 'state: an import opts out only; lift suppressions one by one' };
  }
  const recipient = readRecipient(cell('recipient') ?? '', channel, toE164);
  if (!recipient.ok) return { ok: false, detail: `recipient: ${recipient.detail}` };
  const scope = readScope(cell('scope') ?? '*', tenant);
  if (!scope.ok) return { ok: false, detail: `scope: ${scope.detail}` };
  const source = cell('source')?.slice(0, 200) ?? null;
  const said = { state: 'opted_out', reason: 'import', source, at: now.toISOString() } as const;
  return { ok: true, request: { tenant: tenant.name, ...recipient.value, scope: scope.value, ...said } };
}

function isChannel(word: string): word is 'sms' | 'mms' | 'rcs' | 'whatsapp' {
  return ['sms', 'mms', 'rcs', 'whatsapp'].includes(word);
}

/** Never the record itself: a report may be logged where the numbers in it must not be. */
function describe(error: CsvError | undefined): string {
  return error?.code === 'CSV_MAX_RECORD_SIZE' ? `longer than ${maxRecord} characters` : 'not well-formed CSV';
}
