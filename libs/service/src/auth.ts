import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  SetMetadata,
  applyDecorators,
  createParamDecorator,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemException } from './problem.ts';

/** What a token may do; `admin` implies the others. */
export type Scope = 'send' | 'read' | 'admin';

export interface TokenHolder {
  tenant: { name: string };
  scopes: readonly string[];
}

/** Why a token opens nothing, in words for its bearer. */
export interface TokenRefusal {
  refused: string;
  /** Whether it does could not be told: seconds after which to come again. */
  retryAfterSeconds?: number;
}

type Found = TokenHolder | TokenRefusal | undefined;

/** Knows API tokens and whose JWTs are taken; the tenant directory does. Provide it under {@link TOKEN_DIRECTORY}. */
export interface TokenDirectory {
  byApiToken(token: string): Found | Promise<Found>;
}

export const TOKEN_DIRECTORY = Symbol('TOKEN_DIRECTORY');

const requiredScopes = 'signalbox:scopes';

/** Lets in tokens that have one of these scopes. A guarded route that states none is for `admin`. */
export function Scopes(...scopes: Scope[]): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(requiredScopes, scopes), ApiBearerAuth());
}

/**
 * Bearer token → tenant and scopes: 401 without a valid token, 403 without the scope (RFC 6750 §3.1), 503 when it cannot be
 * told whether it is valid.
 */
@Injectable()
export class ApiTokenGuard implements CanActivate {
  constructor(
    @Inject(TOKEN_DIRECTORY) private readonly directory: TokenDirectory,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw refusal(401, 'A bearer token is needed', 'Bearer realm="signalbox"');
    const holder = await this.directory.byApiToken(token);
    if (!holder || 'refused' in holder) throw notTaken(holder);
    const scopes = this.reflector.getAllAndOverride<Scope[] | undefined>(requiredScopes, [
      context.getHandler(),
      context.getClass(),
    ]) ?? ['admin'];
    if (!holder.scopes.includes('admin') && !scopes.some((scope) => holder.scopes.includes(scope))) {
      const challenge = `Bearer realm="signalbox", error="insufficient_scope", scope="${scopes.join(' ')}"`;
      throw refusal(403, `The token needs the scope ${scopes.join(' or ')}`, challenge);
    }
    request.tokenHolder = holder;
    // What a token opens is a tenant's, and names people: no browser or proxy is to keep it.
    void context.switchToHttp().getResponse<FastifyReply>().header('cache-control', 'no-store');
    return true;
  }
}

function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +([\w.~+/-]+=*) *$/i.exec(header)?.[1];
}

function notTaken(refused: TokenRefusal | undefined): ProblemException {
  if (refused?.retryAfterSeconds !== undefined) {
    const headers = { 'retry-after': String(refused.retryAfterSeconds) };
    return new ProblemException(503, 'Service Unavailable', refused.refused, {}, headers);
  }
  const detail = refused ? `The token is not valid: ${refused.refused}` : 'The token is not valid';
  return refusal(401, detail, 'Bearer realm="signalbox", error="invalid_token"');
}

function refusal(status: number, detail: string, challenge: string): ProblemException {
  const title = status === 401 ? 'Unauthorized' : 'Forbidden';
  return new ProblemException(status, title, detail, {}, { 'www-authenticate': challenge });
}

/** The tenant whose token the request carries, as the token directory gives it. */
export const CurrentTenant = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const holder = context.switchToHttp().getRequest<FastifyRequest>().tokenHolder;
  if (!holder) throw new Error('CurrentTenant is used on a route without ApiTokenGuard');
  return holder.tenant;
});

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by ApiTokenGuard. */
    tokenHolder?: TokenHolder;
  }
}
