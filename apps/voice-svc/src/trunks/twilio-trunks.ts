import type { Twilio } from 'twilio';
import type { TrunkTransferSetting } from 'twilio/lib/rest/trunking/v1/trunk.js';
import type { Action, Present } from './plan.rules.ts';

/** Reads trunks and lists of an account. @throws TwilioApiError, TwilioTransportError */
export async function readTrunks(client: Twilio): Promise<Present> {
  const [trunks, accessLists, credentialLists] = await Promise.all([
    client.trunking.v1.trunks.list(),
    client.sip.ipAccessControlLists.list(),
    client.sip.credentialLists.list(),
  ]);
  return {
    trunks: await Promise.all(
      trunks.map(async ({ sid, friendlyName, domainName, secure, transferMode }) => {
        const trunk = client.trunking.v1.trunks(sid);
        const [urls, access, credentials] = await Promise.all([
          trunk.originationUrls.list(),
          trunk.ipAccessControlLists.list(),
          trunk.credentialsLists.list(),
        ]);
        return {
          sid,
          friendlyName: friendlyName ?? '',
          domainName: domainName || null,
          secure,
          transferMode,
          originationUrls: urls.map(({ sid: urlSid, sipUrl, priority, weight, enabled }) => ({
            sid: urlSid,
            sipUrl,
            priority,
            weight,
            enabled,
          })),
          accessLists: access.map((list) => list.sid),
          credentialLists: credentials.map((list) => list.sid),
        };
      }),
    ),
    accessLists: await Promise.all(
      accessLists.map(async ({ sid, friendlyName }) => {
        const addresses = await client.sip.ipAccessControlLists(sid).ipAddresses.list();
        const blocks = addresses.map(({ sid: addressSid, ipAddress, cidrPrefixLength }) => ({
          sid: addressSid,
          block: `${ipAddress}/${cidrPrefixLength}`,
        }));
        return { sid, friendlyName, blocks };
      }),
    ),
    credentialLists: await Promise.all(
      credentialLists.map(async ({ sid, friendlyName }) => {
        const credentials = await client.sip.credentialLists(sid).credentials.list();
        return {
          sid,
          friendlyName,
          users: credentials.map(({ sid: userSid, username }) => ({ sid: userSid, username })),
        };
      }),
    ),
  };
}

/**
 * Makes the changes, one after the other: an apply that is cut off leaves a state from which the next plan goes on.
 *
 * @param passwordOf resolves a reference of the tenant file
 */
export async function applyActions(
  client: Twilio,
  present: Present,
  actions: readonly Action[],
  passwordOf: (reference: string) => string,
  done: (action: Action) => void,
): Promise<void> {
  const lists = {
    access: new Map(present.accessLists.map(({ friendlyName, sid }) => [friendlyName, sid])),
    credentials: new Map(present.credentialLists.map(({ friendlyName, sid }) => [friendlyName, sid])),
  };
  const trunks = new Map(present.trunks.map(({ friendlyName, sid }) => [friendlyName, sid]));
  const known = (map: ReadonlyMap<string, string>, name: string): string => {
    const sid = map.get(name);
    if (sid === undefined) throw new Error(`${name} is not there; plan again`);
    return sid;
  };
  const trunkOf = (name: string) => client.trunking.v1.trunks(known(trunks, name));

  for (const action of actions) {
    switch (action.do) {
      case 'create-list': {
        const { list: friendlyName } = action;
        const created =
          action.kind === 'access'
            ? await client.sip.ipAccessControlLists.create({ friendlyName })
            : await client.sip.credentialLists.create({ friendlyName });
        lists[action.kind].set(friendlyName, created.sid);
        break;
      }
      case 'add-block': {
        const [ipAddress = '', length = '32'] = action.block.split('/');
        const addresses = client.sip.ipAccessControlLists(known(lists.access, action.list)).ipAddresses;
        await addresses.create({ friendlyName: action.block, ipAddress, cidrPrefixLength: Number(length) });
        break;
      }
      case 'remove-block':
        await client.sip.ipAccessControlLists(known(lists.access, action.list)).ipAddresses(action.sid).remove();
        break;
      case 'add-user': {
        const password = passwordOf(action.password);
        const users = client.sip.credentialLists(known(lists.credentials, action.list)).credentials;
        await users.create({ username: action.username, password });
        break;
      }
      case 'set-password': {
        const password = passwordOf(action.password);
        const list = client.sip.credentialLists(known(lists.credentials, action.list));
        await list.credentials(action.sid).update({ password });
        break;
      }
      case 'remove-user':
        await client.sip.credentialLists(known(lists.credentials, action.list)).credentials(action.sid).remove();
        break;
      case 'create-trunk': {
        const created = await client.trunking.v1.trunks.create(settingsOf(action.settings));
        trunks.set(action.trunk, created.sid);
        break;
      }
      case 'update-trunk':
        await trunkOf(action.trunk).update(settingsOf(action.settings));
        break;
      case 'add-url':
        await trunkOf(action.trunk).originationUrls.create({
          ...action.url,
          friendlyName: action.url.sipUrl.slice(0, 64),
        });
        break;
      case 'update-url':
        await trunkOf(action.trunk).originationUrls(action.sid).update(action.url);
        break;
      case 'remove-url':
        await trunkOf(action.trunk).originationUrls(action.sid).remove();
        break;
      case 'attach': {
        const trunk = trunkOf(action.trunk);
        const sid = known(lists[action.kind], action.list);
        if (action.kind === 'access') await trunk.ipAccessControlLists.create({ ipAccessControlListSid: sid });
        else await trunk.credentialsLists.create({ credentialListSid: sid });
        break;
      }
      case 'detach': {
        const trunk = trunkOf(action.trunk);
        if (action.kind === 'access') await trunk.ipAccessControlLists(action.sid).remove();
        else await trunk.credentialsLists(action.sid).remove();
        break;
      }
    }
    done(action);
  }
}

function settingsOf(settings: {
  readonly friendlyName?: string;
  readonly domainName?: string | null;
  readonly secure?: boolean;
  readonly transferMode?: string;
}) {
  const { friendlyName, domainName, secure, transferMode } = settings;
  return {
    ...(friendlyName !== undefined && { friendlyName }),
    ...(domainName && { domainName }),
    ...(secure !== undefined && { secure }),
    ...(transferMode !== undefined && { transferMode: transferMode as TrunkTransferSetting }),
  };
}
