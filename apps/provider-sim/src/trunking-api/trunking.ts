import { Injectable } from '@nestjs/common';
import { newSid } from '../messages-api/sid.ts';
import { TwilioError } from '../messages-api/twilio-error.ts';

interface Dated {
  readonly sid: string;
  readonly accountSid: string;
  readonly createdAt: number;
  updatedAt: number;
}

export interface Address extends Dated {
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly prefixLength: number;
}

export interface Credential extends Dated {
  readonly username: string;
  password: string;
}

/** An account's list of addresses or of credentials. */
export interface NamedList<Member> extends Dated {
  friendlyName: string;
  readonly members: Member[];
}

export interface OriginationUrl extends Dated {
  sipUrl: string;
  priority: number;
  weight: number;
  enabled: boolean;
  friendlyName: string;
}

export interface Trunk extends Dated {
  friendlyName: string | null;
  domainName: string | null;
  secure: boolean;
  transferMode: string;
  readonly originationUrls: OriginationUrl[];
  /** SIDs of what is attached. */
  readonly ipAccessControlLists: string[];
  readonly credentialLists: string[];
}

export const dated = (prefix: string, accountSid: string): Dated => {
  const now = Date.now();
  return { sid: newSid(prefix), accountSid, createdAt: now, updatedAt: now };
};

/** SIP trunks of all accounts, and the lists of who may use them. */
@Injectable()
export class Trunking {
  readonly trunks: Trunk[] = [];
  readonly accessLists: NamedList<Address>[] = [];
  readonly credentialLists: NamedList<Credential>[] = [];

  /** @throws TwilioError when there is none of the account */
  find<Kind extends Dated>(all: readonly Kind[], accountSid: string, sid: string): Kind {
    const found = all.find((one) => one.sid === sid && one.accountSid === accountSid);
    if (!found) throw new TwilioError(20404);
    return found;
  }

  clear(): void {
    for (const all of [this.trunks, this.accessLists, this.credentialLists]) all.length = 0;
  }
}

export function remove<Kind>(all: Kind[], one: Kind): void {
  const at = all.indexOf(one);
  if (at >= 0) all.splice(at, 1);
}
