import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Spool, SpoolFull, type SpooledRecord } from './spool.ts';

let folder: string;
let file: string;
let spool: Spool;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
  file = join(folder, 'deep', 'callbacks.db');
  spool = new Spool(file, 1000);
});
afterEach(async () => {
  spool.close();
  await rm(folder, { recursive: true });
});

const record = (key: string, value = key): SpooledRecord => ({ topic: 't', key, value, headers: { ce_id: key } });
const keys = (limit = 10) => spool.peek(limit).map(({ key }) => key);

describe('Spool', () => {
  it('gives back what it was given, oldest first, until it is removed', () => {
    spool.append([record('a', '{"body":"Grüße 😀"}'), record('b')]);
    spool.append([record('c')]);
    expect(spool.peek(2)).toMatchObject([record('a', '{"body":"Grüße 😀"}'), record('b')]);
    spool.remove(spool.peek(2).at(-1)?.id ?? 0);
    expect(keys()).toEqual(['c']);
    spool.append([record('d')]);
    expect(keys()).toEqual(['c', 'd']);
  });

  it('knows what it holds, also when it is opened again', () => {
    spool.append([record('a', 'x'.repeat(10)), record('b', 'ü')]);
    expect([spool.records, spool.bytes]).toEqual([2, 12]);
    spool.close();
    spool = new Spool(file, 1000);
    expect([spool.records, spool.bytes, keys()]).toEqual([2, 12, ['a', 'b']]);
    spool.remove(spool.peek(1)[0]?.id ?? 0);
    expect([spool.records, spool.bytes]).toEqual([1, 2]);
  });

  it('knows how old its oldest is', () => {
    expect(spool.oldestAgeMs()).toBe(0);
    jest.useFakeTimers({ now: 1_000_000 });
    spool.append([record('a')]);
    jest.setSystemTime(1_005_000);
    spool.append([record('b')]);
    expect(spool.oldestAgeMs()).toBe(5000);
    jest.useRealTimers();
  });

  it('never gives an id twice, so a late removal takes nothing that is newer', () => {
    spool.append([record('a')]);
    const id = spool.peek(1)[0]?.id ?? 0;
    spool.remove(id);
    spool.append([record('b')]);
    spool.remove(id);
    expect(keys()).toEqual(['b']);
  });

  it('is bounded', () => {
    spool.append([record('a', 'x'.repeat(1000))]);
    expect(spool.full).toBe(true);
    expect(() => spool.append([record('b')])).toThrow(SpoolFull);
    spool.remove(spool.peek(1)[0]?.id ?? 0);
    spool.append([record('b')]);
    expect(keys()).toEqual(['b']);
  });

  it('takes all of a group or none', () => {
    const broken = { ...record('b'), value: null as unknown as string };
    expect(() => spool.append([record('a'), broken])).toThrow();
    expect([spool.records, keys()]).toEqual([0, []]);
    spool.append([record('c')]);
    expect(keys()).toEqual(['c']);
  });

  it('belongs to one process', () => {
    spool.append([record('a')]);
    expect(() => new Spool(file, 1000)).toThrow(/locked/);
  });
});
