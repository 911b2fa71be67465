import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { type SendgridAccount, SendgridAccounts } from './sendgrid-accounts.ts';
import { sendgridError } from './sendgrid-error.ts';

export type SendgridRequest = FastifyRequest & { sendgrid: SendgridAccount };

const SCOPE = 'sendgrid scope';

const verbs: Readonly<Record<string, string>> = { GET: 'read', POST: 'create', PATCH: 'update', DELETE: 'delete' };

/** The scope an API key needs for a route, as SendGrid names it: a whole one, or a resource to which the method adds the verb. */
export const NeedsScope = (
  scope: 'mail.send' | 'suppression' | 'asm.groups' | 'templates' | 'whitelabel' | 'ips.pools',
) => SetMetadata(SCOPE, scope);

/** An API key as bearer token: 401 for one that is unknown or revoked, 403 for one that may not do this. */
@Injectable()
export class BearerGuard implements CanActivate {
  constructor(
    private readonly accounts: SendgridAccounts,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<SendgridRequest>();
    const [, key] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (key === undefined) throw sendgridError(401, 'authorization required');
    const found = this.accounts.byKey(key);
    if (!found || found.revoked) {
      throw sendgridError(401, 'The provided authorization grant is invalid, expired, or revoked');
    }
    const resource = this.reflector.get<string | undefined>(SCOPE, context.getClass());
    const scope = resource === 'mail.send' ? resource : resource && `${resource}.${verbs[request.method]}`;
    if (scope !== undefined && found.scopes !== null && !found.scopes.includes(scope)) {
      throw sendgridError(403, 'access forbidden');
    }
    request.sendgrid = found;
    return true;
  }
}
