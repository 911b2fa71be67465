import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFailpoints } from './failpoint.ts';

describe('failpoints', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'failpoints-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('strike once at the moment that is named, and at no other', () => {
    const die = jest.fn();
    const { on, reached } = readFailpoints({ FAILPOINTS_DIR: directory, NODE_ENV: 'test' }, die);
    expect(on).toBe(true);
    reached('dispatch.claimed');
    writeFileSync(path.join(directory, 'dispatch.claimed'), '');
    reached('dispatch.settled');
    expect(die).not.toHaveBeenCalled();
    reached('dispatch.claimed');
    reached('dispatch.claimed');
    expect(die).toHaveBeenCalledTimes(1);
  });

  it('do not exist where no directory is named', () => {
    const die = jest.fn();
    const { on, reached } = readFailpoints({ NODE_ENV: 'test' }, die);
    reached('dispatch.claimed');
    expect(on).toBe(false);
    expect(die).not.toHaveBeenCalled();
  });

  it.each([undefined, 'production', 'development'])('are refused under NODE_ENV=%s', (NODE_ENV) => {
    expect(() => readFailpoints({ FAILPOINTS_DIR: directory, NODE_ENV }, () => undefined)).toThrow(/FAILPOINTS_DIR/);
  });
});
