import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { OidcIssuer } from './oidc/issuer.ts';
import { type Tenant, tenantFile } from './schema.ts';
import type { TenantVoice } from './voice.ts';

/** Names everything that is wrong with the file at once, by path; never repeats a value, which may be a secret. */
export class TenantFileError extends Error {
  constructor(
    readonly file: string,
    readonly faults: readonly string[],
  ) {
    super(
      `${file}: ${faults.length} fault${faults.length === 1 ? '' : 's'}\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.name = 'TenantFileError';
  }
}

export interface TenantFile {
  readonly tenants: readonly Tenant[];
  /** Whose JWTs are taken beside API tokens. */
  readonly issuers: readonly OidcIssuer[];
  /** Directories whose changes may change the outcome: the file's and those of its `file:` secrets. */
  readonly directories: ReadonlySet<string>;
}

/**
 * Reads the file and resolves its secrets; `file:` paths are relative to the file itself.
 * @throws TenantFileError with every fault
 */
export async function readTenantFile(file: string, env: NodeJS.ProcessEnv): Promise<TenantFile> {
  const parsed = tenantFile.safeParse(await readYaml(file));
  if (!parsed.success)
    throw new TenantFileError(
      file,
      parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`),
    );

  const faults: string[] = [];
  const directories = new Set([dirname(resolve(file))]);
  const secret = async (reference: string, path: string): Promise<string> => {
    const [value, fault] = await resolveSecret(reference, dirname(file), env, directories);
    if (fault) faults.push(`${path}: ${fault}`);
    return value;
  };
  const secretHeaders = async (hosts: TenantVoice['httpHeaders'], path: string) => {
    const resolved: TenantVoice['httpHeaders'] = {};
    for (const [host, headers] of Object.entries(hosts))
      for (const [name, reference] of Object.entries(headers))
        resolved[host] = { ...resolved[host], [name]: await secret(reference, `${path}.${host}.${name}`) };
    return resolved;
  };
  const tenants = await Promise.all(
    parsed.data.tenants.map(async (tenant, i): Promise<Tenant> => {
      const { twilio, sendgrid, voice } = tenant;
      const at = `tenants.${i}`;
      const each = (references: readonly string[], path: string) =>
        Promise.all(references.map((reference, j) => secret(reference, `${at}.${path}.${j}`)));
      return {
        ...tenant,
        twilio: {
          ...twilio,
          apiKey: { sid: twilio.apiKey.sid, secret: await secret(twilio.apiKey.secret, `${at}.twilio.apiKey.secret`) },
          authTokens: await each(twilio.authTokens, 'twilio.authTokens'),
          ...(twilio.sharedKeys && {
            sharedKeys: await Promise.all(
              twilio.sharedKeys.map(async (key, j) => ({
                ...key,
                secrets: await each(key.secrets, `twilio.sharedKeys.${j}.secrets`),
              })),
            ),
          }),
        },
        ...(voice && {
          voice: { ...voice, httpHeaders: await secretHeaders(voice.httpHeaders, `${at}.voice.httpHeaders`) },
        }),
        ...(sendgrid && {
          sendgrid: {
            ...sendgrid,
            ...(sendgrid.apiKey && { apiKey: await secret(sendgrid.apiKey, `${at}.sendgrid.apiKey`) }),
            ...(sendgrid.inboundParse && {
              inboundParse: {
                ...sendgrid.inboundParse,
                ...(sendgrid.inboundParse.secretPath && {
                  secretPath: await secret(sendgrid.inboundParse.secretPath, `${at}.sendgrid.inboundParse.secretPath`),
                }),
              },
            }),
          },
        }),
      };
    }),
  );
  faults.push(...sharedSecretPaths(tenants));
  if (faults.length > 0) throw new TenantFileError(file, faults);
  return { tenants, issuers: parsed.data.issuers, directories };
}

/** Whose an email is, is told by the secret path alone; whether two are the same, only once they are resolved. */
function sharedSecretPaths(tenants: readonly Tenant[]): string[] {
  const paths = tenants.map(({ sendgrid }) => sendgrid?.inboundParse?.secretPath);
  return paths.flatMap((path, i) => {
    const first = paths.indexOf(path);
    return !path || first === i
      ? []
      : [`tenants.${i}.sendgrid.inboundParse.secretPath: is that of tenants.${first}, they have to differ`];
  });
}

async function readYaml(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new TenantFileError(file, [`cannot be read: ${reason(error)}`]);
  }
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0)
    throw new TenantFileError(
      file,
      document.errors.map((error) => `YAML, at character ${error.pos[0]}: ${error.code}`),
    );
  return document.toJS();
}

type Resolved = [value: string, fault?: string];

async function resolveSecret(
  reference: string,
  base: string,
  env: NodeJS.ProcessEnv,
  directories: Set<string>,
): Promise<Resolved> {
  if (reference.startsWith('env:')) {
    const value = env[reference.slice(4)];
    return value ? [value] : ['', `environment variable ${reference.slice(4)} is not set`];
  }
  const path = resolve(base, reference.slice(5));
  directories.add(dirname(path));
  try {
    const value = (await readFile(path, 'utf8')).trim();
    return value ? [value] : ['', `${path} is empty`];
  } catch (error) {
    return ['', `${path} cannot be read: ${reason(error)}`];
  }
}

function reason(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
