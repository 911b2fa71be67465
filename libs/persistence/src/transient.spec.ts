import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { QueryFailedError } from 'typeorm';
import { isTransient } from './index.ts';

const coded = (code: string) => Object.assign(new Error('spec'), { code });
const sqlstate = (code: string) => {
  const error = new pg.DatabaseError('spec', 0, 'error');
  error.code = code;
  return new QueryFailedError('select', [], error);
};

describe('isTransient', () => {
  it.each<[boolean, string, unknown]>([
    [true, '08006 connection_failure', sqlstate('08006')],
    [true, '28P01 invalid_password', sqlstate('28P01')],
    [true, '53300 too_many_connections', sqlstate('53300')],
    [true, '53100 disk_full', sqlstate('53100')],
    [true, '3D000 invalid_catalog_name', sqlstate('3D000')],
    [true, '25006 read_only_sql_transaction', sqlstate('25006')],
    [true, '25P03 idle_in_transaction_session_timeout', sqlstate('25P03')],
    [true, '40001 serialization_failure', sqlstate('40001')],
    [true, '40P01 deadlock_detected', sqlstate('40P01')],
    [true, '55P03 lock_not_available', sqlstate('55P03')],
    [true, '57014 query_canceled', sqlstate('57014')],
    [true, '57P01 admin_shutdown', sqlstate('57P01')],
    [true, '57P03 cannot_connect_now', sqlstate('57P03')],
    [true, 'connection refused', coded('ECONNREFUSED')],
    [true, 'connection reset', coded('ECONNRESET')],
    [true, 'name not resolved for now', coded('EAI_AGAIN')],
    [true, 'every address refused', new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])],
    [true, 'terminated by pg without a code', new Error('Connection terminated unexpectedly')],
    [true, 'pool exhausted', new Error('timeout exceeded when trying to connect')],
    [true, 'a cause', new Error('outer', { cause: coded('ECONNRESET') })],
    [false, '23505 unique_violation', sqlstate('23505')],
    [false, '22P05 untranslatable_character', sqlstate('22P05')],
    [false, '25P02 in_failed_sql_transaction', sqlstate('25P02')],
    [false, '40002 transaction_integrity_constraint_violation', sqlstate('40002')],
    [false, '42P01 undefined_table', sqlstate('42P01')],
    [false, '55000 object_not_in_prerequisite_state', sqlstate('55000')],
    [false, 'a code that only begins like a class', coded('08')],
    [false, 'a five-letter code of Node', coded('EPERM')],
    [false, 'a bug', new TypeError('x is undefined')],
    [false, 'not an error', 'ECONNREFUSED'],
  ])('%s: %s', (expected, _, error) => {
    expect(isTransient(error)).toBe(expected);
  });
});
