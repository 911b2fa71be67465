import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { waitFaults } from './ingress-rules.ts';
import type { Resource } from './manifest-rules.ts';

const prefix = 'nginx.ingress.kubernetes.io/proxy-';
const ingress = (limits: Record<string, string>, path = '/twilio/voice/menu'): Resource => {
  const annotations = Object.fromEntries(Object.entries(limits).map(([name, value]) => [prefix + name, value]));
  const metadata = { name: 'voice', annotations };
  return { kind: 'Ingress', metadata, spec: { rules: [{ http: { paths: [{ path }] } }] } };
};
const short = { 'next-upstream-timeout': '3', 'connect-timeout': '1', 'send-timeout': '1', 'read-timeout': '9' };

describe('an Ingress through which Twilio asks for documents', () => {
  it('is over before Twilio waits no more', () => {
    expect(waitFaults(ingress(short))).toEqual([]);
    const voice = readFileSync(`${import.meta.dirname}/../../k8s/base/voice-svc/ingress.yaml`, 'utf8');
    expect(waitFaults(parse(voice) as Resource)).toEqual([]);
  });

  it.each([
    ['tries that together are too long', { ...short, 'next-upstream-timeout': '5' }, 'may take 16 s'],
    ['exactly as long', { ...short, 'read-timeout': '10' }, 'may take 15 s'],
    ['tries without an end', { ...short, 'next-upstream-timeout': '0' }, 'no proxy-next-upstream-timeout'],
    ['a limit that is left to nginx', { ...short, 'send-timeout': '' }, 'no proxy-send-timeout'],
  ])('is told about %s', (_label, limits, fault) => {
    expect(waitFaults(ingress(limits))).toEqual([expect.stringContaining(fault)]);
  });

  it.each(['/twilio/voice/inbound', '/twilio/voice/twiml', '/twilio/voice/menu'])('leads to %s', (path) => {
    expect(waitFaults(ingress({}, path))).toHaveLength(4);
  });

  it('is none that leads to callbacks', () => {
    expect(waitFaults(ingress({}, '/twilio/voice/status'))).toEqual([]);
    expect(waitFaults({ kind: 'Service', metadata: { name: 'voice' } })).toEqual([]);
  });
});
