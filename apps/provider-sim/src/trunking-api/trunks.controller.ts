import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { FaultInterceptor } from '../faults/fault.interceptor.ts';
import { type AuthenticatedRequest, BasicAuthGuard } from '../messages-api/basic-auth.guard.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { TwilioError, TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { listed } from '../verify-api/listed.ts';
import type { PageQuery } from '../verify-api/paging.rules.ts';
import { dated, type OriginationUrl, remove, type Trunk, Trunking } from './trunking.ts';

const host = 'trunking.twilio.com';
const base = `https://${host}/v1/Trunks`;
const iso = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`;
const times = ({ createdAt, updatedAt }: { createdAt: number; updatedAt: number }) => ({
  date_created: iso(createdAt),
  date_updated: iso(updatedAt),
});
const text = (form: Form, name: string) => {
  const value = form[name];
  return typeof value === 'string' ? value : undefined;
};

/** The Trunking API, version 1. Source: its client in Twilio's SDK 6.2.0; there is no OpenAPI description of it here. */
@Controller('v1/Trunks')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class TrunksController {
  constructor(private readonly trunking: Trunking) {}

  @Post()
  create(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    const trunk: Trunk = {
      ...dated('TK', account.accountSid),
      friendlyName: null,
      domainName: null,
      secure: false,
      transferMode: 'disable-all',
      originationUrls: [],
      ipAccessControlLists: [],
      credentialLists: [],
    };
    change(trunk, form);
    this.trunking.trunks.push(trunk);
    return trunkResource(trunk);
  }

  @Get()
  list(@Req() { account }: AuthenticatedRequest, @Query() query: PageQuery) {
    const own = this.trunking.trunks.filter(({ accountSid }) => accountSid === account.accountSid);
    return listed(own, query, { path: '/v1/Trunks', key: 'trunks', host }, trunkResource);
  }

  @Post(':sid')
  @HttpCode(200)
  update(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const trunk = this.#find(request, sid);
    change(trunk, form);
    return trunkResource(trunk);
  }

  @Post(':sid/OriginationUrls')
  createUrl(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const trunk = this.#find(request, sid);
    const url: OriginationUrl = {
      ...dated('OU', trunk.accountSid),
      sipUrl: '',
      priority: 10,
      weight: 10,
      enabled: true,
      friendlyName: '',
    };
    changeUrl(url, form);
    if (!url.sipUrl.startsWith('sip')) throw new TwilioError(20001, { detail: 'SipUrl' });
    trunk.originationUrls.push(url);
    return urlResource(trunk, url);
  }

  @Get(':sid/OriginationUrls')
  listUrls(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Query() query: PageQuery) {
    const trunk = this.#find(request, sid);
    const path = `/v1/Trunks/${sid}/OriginationUrls`;
    return listed(trunk.originationUrls, query, { path, key: 'origination_urls', host }, (url) =>
      urlResource(trunk, url),
    );
  }

  @Post(':sid/OriginationUrls/:urlSid')
  @HttpCode(200)
  updateUrl(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('urlSid') urlSid: string,
    @Body() form: Form = {},
  ) {
    const trunk = this.#find(request, sid);
    const url = this.trunking.find(trunk.originationUrls, trunk.accountSid, urlSid);
    changeUrl(url, form);
    return urlResource(trunk, url);
  }

  @Delete(':sid/OriginationUrls/:urlSid')
  @HttpCode(204)
  removeUrl(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Param('urlSid') urlSid: string): void {
    const trunk = this.#find(request, sid);
    remove(trunk.originationUrls, this.trunking.find(trunk.originationUrls, trunk.accountSid, urlSid));
  }

  @Post(':sid/IpAccessControlLists')
  attachAccessList(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const trunk = this.#find(request, sid);
    const list = this.trunking.find(
      this.trunking.accessLists,
      trunk.accountSid,
      text(form, 'IpAccessControlListSid') ?? '',
    );
    if (!trunk.ipAccessControlLists.includes(list.sid)) trunk.ipAccessControlLists.push(list.sid);
    return attached(trunk, list, 'IpAccessControlLists');
  }

  @Get(':sid/IpAccessControlLists')
  accessLists(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Query() query: PageQuery) {
    const trunk = this.#find(request, sid);
    const lists = this.trunking.accessLists.filter((list) => trunk.ipAccessControlLists.includes(list.sid));
    const where = { path: `/v1/Trunks/${sid}/IpAccessControlLists`, key: 'ip_access_control_lists', host };
    return listed(lists, query, where, (list) => attached(trunk, list, 'IpAccessControlLists'));
  }

  @Delete(':sid/IpAccessControlLists/:listSid')
  @HttpCode(204)
  detachAccessList(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('listSid') listSid: string,
  ): void {
    remove(this.#find(request, sid).ipAccessControlLists, listSid);
  }

  @Post(':sid/CredentialLists')
  attachCredentialList(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Body() form: Form = {}) {
    const trunk = this.#find(request, sid);
    const { credentialLists } = this.trunking;
    const list = this.trunking.find(credentialLists, trunk.accountSid, text(form, 'CredentialListSid') ?? '');
    if (!trunk.credentialLists.includes(list.sid)) trunk.credentialLists.push(list.sid);
    return attached(trunk, list, 'CredentialLists');
  }

  @Get(':sid/CredentialLists')
  credentialLists(@Req() request: AuthenticatedRequest, @Param('sid') sid: string, @Query() query: PageQuery) {
    const trunk = this.#find(request, sid);
    const lists = this.trunking.credentialLists.filter((list) => trunk.credentialLists.includes(list.sid));
    const where = { path: `/v1/Trunks/${sid}/CredentialLists`, key: 'credential_lists', host };
    return listed(lists, query, where, (list) => attached(trunk, list, 'CredentialLists'));
  }

  @Delete(':sid/CredentialLists/:listSid')
  @HttpCode(204)
  detachCredentialList(
    @Req() request: AuthenticatedRequest,
    @Param('sid') sid: string,
    @Param('listSid') listSid: string,
  ): void {
    remove(this.#find(request, sid).credentialLists, listSid);
  }

  #find({ account }: AuthenticatedRequest, sid: string): Trunk {
    return this.trunking.find(this.trunking.trunks, account.accountSid, sid);
  }
}

function change(trunk: Trunk, form: Form): void {
  trunk.friendlyName = text(form, 'FriendlyName') ?? trunk.friendlyName;
  trunk.domainName = text(form, 'DomainName') ?? trunk.domainName;
  if (form['Secure'] !== undefined) trunk.secure = form['Secure'] === 'true';
  trunk.transferMode = text(form, 'TransferMode') ?? trunk.transferMode;
  trunk.updatedAt = Date.now();
}

function changeUrl(url: OriginationUrl, form: Form): void {
  url.sipUrl = text(form, 'SipUrl') ?? url.sipUrl;
  url.friendlyName = text(form, 'FriendlyName') ?? url.friendlyName;
  url.priority = Number(text(form, 'Priority') ?? url.priority);
  url.weight = Number(text(form, 'Weight') ?? url.weight);
  if (form['Enabled'] !== undefined) url.enabled = form['Enabled'] === 'true';
  url.updatedAt = Date.now();
}

function trunkResource(trunk: Trunk) {
  const url = `${base}/${trunk.sid}`;
  return {
    account_sid: trunk.accountSid,
    domain_name: trunk.domainName,
    disaster_recovery_method: null,
    disaster_recovery_url: null,
    friendly_name: trunk.friendlyName,
    secure: trunk.secure,
    recording: { mode: 'do-not-record', trim: 'do-not-trim' },
    transfer_mode: trunk.transferMode,
    transfer_caller_id: 'from-transferee',
    cnam_lookup_enabled: false,
    auth_type: '',
    symmetric_rtp_enabled: false,
    auth_type_set: [],
    ...times(trunk),
    sid: trunk.sid,
    url,
    links: {
      origination_urls: `${url}/OriginationUrls`,
      credential_lists: `${url}/CredentialLists`,
      ip_access_control_lists: `${url}/IpAccessControlLists`,
      phone_numbers: `${url}/PhoneNumbers`,
      recording: `${url}/Recording`,
    },
  };
}

function urlResource(trunk: Trunk, url: OriginationUrl) {
  return {
    account_sid: trunk.accountSid,
    sid: url.sid,
    trunk_sid: trunk.sid,
    weight: url.weight,
    enabled: url.enabled,
    sip_url: url.sipUrl,
    friendly_name: url.friendlyName,
    priority: url.priority,
    ...times(url),
    url: `${base}/${trunk.sid}/OriginationUrls/${url.sid}`,
  };
}

function attached(
  trunk: Trunk,
  list: { sid: string; friendlyName: string; createdAt: number; updatedAt: number },
  what: string,
) {
  return {
    account_sid: trunk.accountSid,
    sid: list.sid,
    trunk_sid: trunk.sid,
    friendly_name: list.friendlyName,
    ...times(list),
    url: `${base}/${trunk.sid}/${what}/${list.sid}`,
  };
}
