import { Controller, Delete, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import {
  ApiTokenGuard,
  CurrentTenant,
  ProblemException,
  Scopes,
  ZodBody,
  ZodParam,
  ZodQuery,
  ZodResponse,
} from '@signalbox/service';
import { z } from 'zod';
import { countRecoveryCodes, readFactors } from './factor.store.ts';
import { type Factor, isOver, lockedUntil, pendingMs } from './totp.rules.ts';
import {
  activated,
  type ActivatedView,
  checked,
  enrolled,
  type EnrolledView,
  enrolRequest,
  type EnrolRequest,
  factorList,
  factorsQuery,
  type FactorView,
  recoveryCodes,
  totpCode,
  type TotpCode,
  totpOrRecoveryCode,
} from './totp.schemas.ts';
import { Totp } from './totp.ts';

@ApiTags('totp')
@Controller('v1/totp/factors')
@UseGuards(ApiTokenGuard)
@Scopes('send')
export class TotpController {
  readonly #transact: Transact;
  readonly #totp: Totp;

  constructor(@Inject(TRANSACT) transact: Transact, @Inject(Totp) totp: Totp) {
    this.#transact = transact;
    this.#totp = totp;
  }

  @Post()
  @ApiOperation({
    summary: "Enrol a user's authenticator",
    description: 'The answer has the secret, once. Takes the place of an enrolment of the user that was not finished.',
  })
  @ZodResponse(201, enrolled)
  async enrol(
    @CurrentTenant() tenant: { name: string },
    @ZodBody(enrolRequest) request: EnrolRequest,
  ): Promise<EnrolledView> {
    if (!this.#totp.isSetUp)
      throw new ProblemException(501, 'Not Implemented', 'Authenticators are not set up here: TOTP_KEYS is missing');
    const result = await this.#transact((tx) => this.#totp.enrol(tx, { ...request, tenant: tenant.name }, new Date()));
    if (result.result === 'too_many')
      throw new ProblemException(409, 'Conflict', 'The user has five authenticators; one has to be deleted first');
    const { factor, enrolment } = result;
    return { ...toView(factor), expiresAt: after(factor.createdAt, pendingMs), ...enrolment };
  }

  @Get()
  @Scopes('read')
  @ApiOperation({ summary: "A user's authenticators" })
  @ZodResponse(200, factorList)
  async list(
    @CurrentTenant() tenant: { name: string },
    @ZodQuery(factorsQuery) { subject }: { subject: string },
  ): Promise<{ factors: FactorView[] }> {
    const now = new Date();
    return this.#transact(async (tx) => {
      const factors = (await readFactors(tx, tenant.name, subject)).filter((factor) => !isOver(factor, now));
      const left = await countRecoveryCodes(
        tx,
        factors.map(({ id }) => id),
      );
      const view = (factor: Factor) => ({
        ...toView(factor),
        activatedAt: factor.activatedAt,
        lastUsedAt: factor.lastUsedAt,
        lockedUntil: lockedUntil(factor.wrongAt, now)?.toISOString() ?? null,
        recoveryCodesLeft: left.get(factor.id) ?? 0,
      });
      return { factors: factors.map(view) };
    });
  }

  @Post(':id/verify')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Activate an authenticator with its first code',
    description: 'The answer has recovery codes, once. 429 after too many wrong codes.',
  })
  @ZodResponse(200, activated)
  async verify(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', z.uuid()) id: string,
    @ZodBody(totpCode) { code }: TotpCode,
  ): Promise<ActivatedView> {
    const now = new Date();
    const result = await this.#transact((tx) => this.#totp.activate(tx, tenant.name, id, code, now));
    switch (result.result) {
      case 'activated':
        return { approved: true, state: 'active', recoveryCodes: [...result.recoveryCodes] };
      case 'wrong':
        return { approved: false, state: 'pending', recoveryCodes: [] };
      case 'locked':
        throw tooMany(result.until, now);
      case 'active_already':
        throw new ProblemException(409, 'Conflict', 'This authenticator is active; its codes are checked elsewhere');
      case 'unknown':
        throw unknownFactor();
    }
  }

  @Post(':id/check')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Check a code of an active authenticator, or a recovery code',
    description: 'A code is right once. 429 after too many wrong ones, with `retryAfter` in seconds.',
  })
  @ZodResponse(200, checked)
  async check(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', z.uuid()) id: string,
    @ZodBody(totpOrRecoveryCode) { code }: TotpCode,
  ): Promise<{ approved: boolean }> {
    const now = new Date();
    const result = await this.#transact((tx) => this.#totp.checkFactor(tx, tenant.name, id, code, now));
    if (!result) throw unknownFactor();
    if (result.until) throw tooMany(result.until, now);
    return { approved: result.result === 'approved' };
  }

  @Post(':id/recovery-codes')
  @HttpCode(200)
  @ApiOperation({ summary: 'New recovery codes in place of all earlier ones', description: 'Shown once.' })
  @ZodResponse(200, recoveryCodes)
  async renew(
    @CurrentTenant() tenant: { name: string },
    @ZodParam('id', z.uuid()) id: string,
  ): Promise<{ recoveryCodes: string[] }> {
    const codes = await this.#transact((tx) => this.#totp.renewRecoveryCodes(tx, tenant.name, id, new Date()));
    if (!codes) throw unknownFactor();
    return { recoveryCodes: codes };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete an authenticator with its secret and recovery codes' })
  async remove(@CurrentTenant() tenant: { name: string }, @ZodParam('id', z.uuid()) id: string): Promise<void> {
    const known = await this.#transact((tx) => this.#totp.remove(tx, tenant.name, id, new Date()));
    if (!known) throw unknownFactor();
  }
}

function toView({ id, subject, issuer, account, state, createdAt }: Factor) {
  return { factorId: id, subject, issuer, account, state, createdAt };
}

function after(at: string, ms: number): string {
  return new Date(Date.parse(at) + ms).toISOString();
}

function unknownFactor(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This tenant has no such authenticator');
}

function tooMany(until: Date, now: Date): ProblemException {
  const retryAfter = Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000));
  return new ProblemException(
    429,
    'Too Many Requests',
    'Too many wrong codes; none is looked at for a while',
    { retryAfter },
    { 'retry-after': String(retryAfter) },
  );
}
