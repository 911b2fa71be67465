import { describe, expect, it } from '@jest/globals';
import { tryConfig } from '@signalbox/service';
import { ingestConfig } from './config.ts';

const read = (TRUSTED_PROXIES: string) =>
  tryConfig(ingestConfig, {
    PUBLIC_BASE_URL: 'https://hooks.example.com',
    KAFKA_BROKERS: 'kafka:9092',
    TRUSTED_PROXIES,
  });

describe('TRUSTED_PROXIES', () => {
  it('are addresses and ranges', () => {
    expect(read('10.0.0.0/8, 192.0.2.1,2001:db8::/32').config?.TRUSTED_PROXIES).toEqual([
      '10.0.0.0/8',
      '192.0.2.1',
      '2001:db8::/32',
    ]);
  });

  it.each(['10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', 'proxy.internal', '2001:db8::/129'])(
    '%s is a fault',
    (range) => {
      expect(read(range).faults).toEqual([expect.stringMatching(/^TRUSTED_PROXIES: /)]);
    },
  );
});
