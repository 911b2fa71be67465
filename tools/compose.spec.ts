import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTenants } from '@signalbox/tenants';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..');

/** The variables of an env file, without those whose name begins like this. */
function variablesOf(text: string, without: string): Record<string, string> {
  const lines = [...text.matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name = '', value = '']) => ({ name, value }));
  const kept = lines.filter(({ name }) => !name.startsWith(without));
  return Object.fromEntries(kept.map(({ name, value }) => [name, value]));
}

/** As Compose does. */
const interpolated = (text: string, env: Record<string, string>) =>
  text.replace(/\$\{([A-Z0-9_]+):-([^}]*)\}/g, (_whole, name: string, otherwise: string) => env[name] || otherwise);

interface Compose {
  'x-service-env': Record<string, string>;
  services: { 'provider-sim': { environment: { SIM_ACCOUNTS: string } } };
  configs: { tenants: { content: string } };
}

describe('docker-compose.yml', () => {
  it('has a good tenant file, and a simulator that signs with its key, for an .env without the keys too', async () => {
    const env = variablesOf(await readFile(join(root, '.env.example'), 'utf8'), 'DEMO_SENDGRID_');
    const compose = parse(interpolated(await readFile(join(root, 'docker-compose.yml'), 'utf8'), env)) as Compose;
    const folder = await mkdtemp(join(tmpdir(), 'compose-'));
    try {
      await writeFile(join(folder, 'tenants.yaml'), compose.configs.tenants.content);
      const tenants = await loadTenants(join(folder, 'tenants.yaml'), compose['x-service-env']);
      const [account] = JSON.parse(compose.services['provider-sim'].environment.SIM_ACCOUNTS) as {
        sendgridPrivateKey: string;
      }[];
      const key = Buffer.from(account?.sendgridPrivateKey ?? '', 'base64');
      const publicKey = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
      const text = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
      expect(tenants.byName('demo')?.sendgrid).toMatchObject({
        eventPublicKeys: [text],
        inboundParse: { publicKeys: [text] },
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
