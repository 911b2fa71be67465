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
import { API_VERSION, rfc2822 } from '../messages-api/message-resource.ts';
import type { Form } from '../messages-api/message-request.rules.ts';
import { fromArray, type ListQuery, pageOf } from '../messages-api/page.ts';
import { TwilioError, TwilioErrorFilter } from '../messages-api/twilio-error.ts';
import { type Address, type Credential, dated, type NamedList, remove, Trunking } from './trunking.ts';

const times = ({ createdAt, updatedAt }: { createdAt: number; updatedAt: number }) => ({
  date_created: rfc2822(createdAt),
  date_updated: rfc2822(updatedAt),
});
const sidOf = ({ sid }: { sid: string }) => sid;
const all = () => true;

function required(form: Form, name: string): string {
  const value = form[name];
  if (typeof value !== 'string' || value === '') throw new TwilioError(20001, { detail: name });
  return value;
}

/** Twilio's lists of addresses and of credentials that may use SIP domains and trunks. */
@Controller('2010-04-01/Accounts/:accountSid/SIP')
@UseGuards(BasicAuthGuard)
@UseInterceptors(FaultInterceptor)
@UseFilters(TwilioErrorFilter)
export class SipListsController {
  constructor(private readonly trunking: Trunking) {}

  @Post('IpAccessControlLists.json')
  createAccessList(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    const list: NamedList<Address> = {
      ...dated('AL', account.accountSid),
      friendlyName: required(form, 'FriendlyName'),
      members: [],
    };
    this.trunking.accessLists.push(list);
    return accessListResource(list);
  }

  @Get('IpAccessControlLists.json')
  accessLists(@Req() { account }: AuthenticatedRequest, @Query() query: ListQuery) {
    const own = this.trunking.accessLists.filter(({ accountSid }) => accountSid === account.accountSid);
    return pageOf(query, {
      path: `${root(account.accountSid)}/IpAccessControlLists.json`,
      name: 'ip_access_control_lists',
      filters: [],
      ...fromArray(own, sidOf),
      sidOf,
      matches: all,
      show: accessListResource,
    });
  }

  @Post('IpAccessControlLists/:listSid/IpAddresses.json')
  addAddress(@Req() { account }: AuthenticatedRequest, @Param('listSid') sid: string, @Body() form: Form = {}) {
    const list = this.trunking.find(this.trunking.accessLists, account.accountSid, sid);
    const address: Address = {
      ...dated('IP', account.accountSid),
      friendlyName: required(form, 'FriendlyName'),
      ipAddress: required(form, 'IpAddress'),
      prefixLength: Number(form['CidrPrefixLength'] ?? 32),
    };
    list.members.push(address);
    return addressResource(list, address);
  }

  @Get('IpAccessControlLists/:listSid/IpAddresses.json')
  addresses(@Req() { account }: AuthenticatedRequest, @Param('listSid') sid: string, @Query() query: ListQuery) {
    const list = this.trunking.find(this.trunking.accessLists, account.accountSid, sid);
    return pageOf(query, {
      path: `${root(account.accountSid)}/IpAccessControlLists/${sid}/IpAddresses.json`,
      name: 'ip_addresses',
      filters: [],
      ...fromArray(list.members, (member) => member.sid),
      sidOf: (member) => member.sid,
      matches: all,
      show: (address) => addressResource(list, address),
    });
  }

  @Delete('IpAccessControlLists/:listSid/IpAddresses/:sid.json')
  @HttpCode(204)
  removeAddress(
    @Req() { account }: AuthenticatedRequest,
    @Param('listSid') listSid: string,
    @Param('sid') sid: string,
  ): void {
    const list = this.trunking.find(this.trunking.accessLists, account.accountSid, listSid);
    remove(list.members, this.trunking.find(list.members, account.accountSid, sid));
  }

  @Post('CredentialLists.json')
  createCredentialList(@Req() { account }: AuthenticatedRequest, @Body() form: Form = {}) {
    const list: NamedList<Credential> = {
      ...dated('CL', account.accountSid),
      friendlyName: required(form, 'FriendlyName'),
      members: [],
    };
    this.trunking.credentialLists.push(list);
    return credentialListResource(list);
  }

  @Get('CredentialLists.json')
  credentialLists(@Req() { account }: AuthenticatedRequest, @Query() query: ListQuery) {
    const own = this.trunking.credentialLists.filter(({ accountSid }) => accountSid === account.accountSid);
    return pageOf(query, {
      path: `${root(account.accountSid)}/CredentialLists.json`,
      name: 'credential_lists',
      filters: [],
      ...fromArray(own, sidOf),
      sidOf,
      matches: all,
      show: credentialListResource,
    });
  }

  @Post('CredentialLists/:listSid/Credentials.json')
  addCredential(@Req() { account }: AuthenticatedRequest, @Param('listSid') sid: string, @Body() form: Form = {}) {
    const list = this.trunking.find(this.trunking.credentialLists, account.accountSid, sid);
    const credential: Credential = {
      ...dated('CR', account.accountSid),
      username: required(form, 'Username'),
      password: strong(required(form, 'Password')),
    };
    list.members.push(credential);
    return credentialResource(list, credential);
  }

  @Get('CredentialLists/:listSid/Credentials.json')
  credentials(@Req() { account }: AuthenticatedRequest, @Param('listSid') sid: string, @Query() query: ListQuery) {
    const list = this.trunking.find(this.trunking.credentialLists, account.accountSid, sid);
    return pageOf(query, {
      path: `${root(account.accountSid)}/CredentialLists/${sid}/Credentials.json`,
      name: 'credentials',
      filters: [],
      ...fromArray(list.members, (member) => member.sid),
      sidOf: (member) => member.sid,
      matches: all,
      show: (credential) => credentialResource(list, credential),
    });
  }

  @Post('CredentialLists/:listSid/Credentials/:sid.json')
  @HttpCode(200)
  updateCredential(
    @Req() { account }: AuthenticatedRequest,
    @Param('listSid') listSid: string,
    @Param('sid') sid: string,
    @Body() form: Form = {},
  ) {
    const list = this.trunking.find(this.trunking.credentialLists, account.accountSid, listSid);
    const credential = this.trunking.find(list.members, account.accountSid, sid);
    credential.password = strong(required(form, 'Password'));
    credential.updatedAt = Date.now();
    return credentialResource(list, credential);
  }

  @Delete('CredentialLists/:listSid/Credentials/:sid.json')
  @HttpCode(204)
  removeCredential(
    @Req() { account }: AuthenticatedRequest,
    @Param('listSid') listSid: string,
    @Param('sid') sid: string,
  ): void {
    const list = this.trunking.find(this.trunking.credentialLists, account.accountSid, listSid);
    remove(list.members, this.trunking.find(list.members, account.accountSid, sid));
  }
}

const root = (accountSid: string) => `/${API_VERSION}/Accounts/${accountSid}/SIP`;

/** Twilio wants 12 characters, a digit, and both cases. */
function strong(password: string): string {
  if (password.length >= 12 && /\d/.test(password) && /[a-z]/.test(password) && /[A-Z]/.test(password)) return password;
  throw new TwilioError(21240);
}

function accessListResource(list: NamedList<Address>) {
  const uri = `${root(list.accountSid)}/IpAccessControlLists/${list.sid}`;
  return {
    sid: list.sid,
    account_sid: list.accountSid,
    friendly_name: list.friendlyName,
    ...times(list),
    subresource_uris: { ip_addresses: `${uri}/IpAddresses.json` },
    uri: `${uri}.json`,
  };
}

function addressResource(list: NamedList<Address>, address: Address) {
  return {
    sid: address.sid,
    account_sid: address.accountSid,
    friendly_name: address.friendlyName,
    ip_address: address.ipAddress,
    cidr_prefix_length: address.prefixLength,
    ip_access_control_list_sid: list.sid,
    ...times(address),
    uri: `${root(list.accountSid)}/IpAccessControlLists/${list.sid}/IpAddresses/${address.sid}.json`,
  };
}

function credentialListResource(list: NamedList<Credential>) {
  const uri = `${root(list.accountSid)}/CredentialLists/${list.sid}`;
  return {
    account_sid: list.accountSid,
    ...times(list),
    friendly_name: list.friendlyName,
    sid: list.sid,
    subresource_uris: { credentials: `${uri}/Credentials.json` },
    uri: `${uri}.json`,
  };
}

/** Never the password. */
function credentialResource(list: NamedList<Credential>, credential: Credential) {
  return {
    sid: credential.sid,
    account_sid: credential.accountSid,
    credential_list_sid: list.sid,
    username: credential.username,
    ...times(credential),
    uri: `${root(list.accountSid)}/CredentialLists/${list.sid}/Credentials/${credential.sid}.json`,
  };
}
