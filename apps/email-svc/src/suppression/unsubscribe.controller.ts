import { Controller, Get, Header, HttpCode, Inject, type OnModuleInit, Param, Post } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { TRANSACT } from '@signalbox/domain-service';
import type { Transact } from '@signalbox/persistence';
import { ProblemException } from '@signalbox/service';
import type { FastifyInstance } from 'fastify';
import { lock } from '../email/email.store.ts';
import { countSuppressions } from '../metrics.ts';
import { allBulk, groupScope } from './suppression.rules.ts';
import { applyRequests } from './suppression.store.ts';
import { UnsubscribeLinks } from './unsubscribe-links.ts';

/** Where mail clients and people unsubscribe from bulk email; its links are signed, so it asks for no token. Source: RFC 8058. */
@ApiTags('unsubscribe')
@Controller('unsubscribe')
export class UnsubscribeController implements OnModuleInit {
  readonly #links: UnsubscribeLinks;
  readonly #transact: Transact;
  readonly #http: HttpAdapterHost;

  constructor(
    @Inject(UnsubscribeLinks) links: UnsubscribeLinks,
    @Inject(TRANSACT) transact: Transact,
    @Inject(HttpAdapterHost) http: HttpAdapterHost,
  ) {
    this.#links = links;
    this.#transact = transact;
    this.#http = http;
  }

  /** The link says it all: what a mail client or the page posts along with it is not looked at. */
  onModuleInit(): void {
    const server = this.#http.httpAdapter.getInstance<FastifyInstance>();
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data']) {
      server.addContentTypeParser(type, { parseAs: 'string' }, (_request, _body, done) => done(null));
    }
  }

  /** It changes nothing: filters of mail servers follow every link. */
  @Get(':token')
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiProduces('text/html')
  @ApiOperation({
    summary: 'A page that asks whether to unsubscribe',
    description: 'Opened by a person; changes nothing.',
  })
  ask(@Param('token') token: string): string {
    this.#emailOf(token);
    return page(
      'Unsubscribe',
      '<p>Do you want to get no more of these emails?</p><form method="post"><button>Unsubscribe</button></form>',
    );
  }

  @Post(':token')
  @HttpCode(200)
  @Header('content-type', 'text/html; charset=utf-8')
  @ApiProduces('text/html')
  @ApiOperation({
    summary: 'Unsubscribe',
    description:
      'By one click in a mail client (List-Unsubscribe-Post), or by the button of the page. Repeats change nothing.',
  })
  async unsubscribe(@Param('token') token: string): Promise<string> {
    const id = this.#emailOf(token);
    const changes = await this.#transact(async (tx) => {
      const email = (await lock(tx, [id])).get(id);
      if (!email) throw unknownLink();
      const scope = email.unsubscribeGroup === null ? allBulk : groupScope(email.unsubscribeGroup);
      const { tenant, to: recipient } = email;
      const said = { state: 'opted_out', reason: 'unsubscribe', source: id, at: new Date().toISOString() } as const;
      return applyRequests(tx, [{ tenant, recipient, scope, ...said }]);
    });
    countSuppressions(changes);
    return page('Unsubscribed', '<p>You will get no more of these emails.</p>');
  }

  #emailOf(token: string): string {
    const id = this.#links.emailOf(token);
    if (id === undefined) throw unknownLink();
    return id;
  }
}

function unknownLink(): ProblemException {
  return new ProblemException(404, 'Not Found', 'This link is not valid');
}

const page = (title: string, content: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<title>${title}</title></head><body style="font-family:sans-serif;max-width:40em;margin:4em auto"><h1>${title}</h1>${content}</body></html>\n`;
