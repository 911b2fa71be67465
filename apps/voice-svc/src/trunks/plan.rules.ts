import type { SipTrunk } from '@signalbox/tenants';

/** Of the trunk itself, what is compared and set. */
export interface TrunkSettings {
  readonly friendlyName: string;
  readonly domainName: string | null;
  readonly secure: boolean;
  readonly transferMode: string;
}

export interface UrlSettings {
  readonly sipUrl: string;
  readonly priority: number;
  readonly weight: number;
  readonly enabled: boolean;
}

/** Trunks and lists as Twilio has them, with their SIDs. */
export interface Present {
  readonly trunks: readonly (TrunkSettings & {
    readonly sid: string;
    readonly originationUrls: readonly (UrlSettings & { readonly sid: string })[];
    /** SIDs of what is attached. */
    readonly accessLists: readonly string[];
    readonly credentialLists: readonly string[];
  })[];
  readonly accessLists: readonly {
    readonly sid: string;
    readonly friendlyName: string;
    readonly blocks: readonly { readonly sid: string; readonly block: string }[];
  }[];
  readonly credentialLists: readonly {
    readonly sid: string;
    readonly friendlyName: string;
    readonly users: readonly { readonly sid: string; readonly username: string }[];
  }[];
}

type ListKind = 'access' | 'credentials';

/** One change at Twilio. Lists and trunks are named, because what is created only then has a SID. */
export type Action =
  | { readonly do: 'create-list'; readonly kind: ListKind; readonly list: string }
  | { readonly do: 'add-block'; readonly list: string; readonly block: string }
  | { readonly do: 'remove-block'; readonly list: string; readonly block: string; readonly sid: string }
  | { readonly do: 'add-user'; readonly list: string; readonly username: string; readonly password: string }
  | {
      readonly do: 'set-password';
      readonly list: string;
      readonly username: string;
      readonly sid: string;
      readonly password: string;
    }
  | { readonly do: 'remove-user'; readonly list: string; readonly username: string; readonly sid: string }
  | { readonly do: 'create-trunk'; readonly trunk: string; readonly settings: TrunkSettings }
  | { readonly do: 'update-trunk'; readonly trunk: string; readonly settings: Partial<TrunkSettings> }
  | { readonly do: 'add-url'; readonly trunk: string; readonly url: UrlSettings }
  | { readonly do: 'update-url'; readonly trunk: string; readonly sid: string; readonly url: UrlSettings }
  | { readonly do: 'remove-url'; readonly trunk: string; readonly sid: string; readonly sipUrl: string }
  | { readonly do: 'attach'; readonly kind: ListKind; readonly trunk: string; readonly list: string }
  | { readonly do: 'detach'; readonly kind: ListKind; readonly trunk: string; readonly sid: string };

export interface TrunkPlan {
  readonly actions: readonly Action[];
  /** Trunks of the account that the tenant file does not speak of. */
  readonly unmanaged: readonly string[];
  /** What keeps it from being planned; nothing is applied while there is one. */
  readonly faults: readonly string[];
}

/**
 * Compares what the tenant file asks for with what Twilio has. Lists first, so that what is attached is there; what is
 * closed before what is opened, so that no moment is more open than either side.
 *
 * @param setPasswords also of users that are there already: Twilio never tells what they are
 */
export function planTrunks(
  wanted: Readonly<Record<string, SipTrunk>>,
  present: Present,
  { setPasswords = false }: { setPasswords?: boolean } = {},
): TrunkPlan {
  const faults = faultsOf(wanted, present);
  const trunks = Object.entries(wanted);
  const access = new Map(trunks.flatMap(([, { ipAccessLists }]) => Object.entries(ipAccessLists)));
  const credentials = new Map(trunks.flatMap(([, { credentialLists }]) => Object.entries(credentialLists)));
  const actions: Action[] = [
    ...[...access].flatMap(([list, blocks]) => planAccessList(list, blocks, present)),
    ...[...credentials].flatMap(([list, users]) => planCredentialList(list, users, present, setPasswords)),
    ...trunks.flatMap(([name, trunk]) => planTrunk(name, trunk, present)),
  ];
  const managed = new Set(trunks.map(([name, trunk]) => friendlyNameOf(name, trunk)));
  const unmanaged = present.trunks.filter(({ friendlyName }) => !managed.has(friendlyName));
  return { actions, unmanaged: unmanaged.map(({ friendlyName, sid }) => friendlyName || sid), faults };
}

function faultsOf(wanted: Readonly<Record<string, SipTrunk>>, present: Present): string[] {
  const faults: string[] = [];
  const seen = new Map<string, string>();
  for (const [name, trunk] of Object.entries(wanted)) {
    const friendlyName = friendlyNameOf(name, trunk);
    const count = present.trunks.filter((one) => one.friendlyName === friendlyName).length;
    if (count > 1) faults.push(`${name}: Twilio has ${count} trunks called ${friendlyName}`);
    for (const [kind, lists] of Object.entries({ ip: trunk.ipAccessLists, credentials: trunk.credentialLists })) {
      for (const [list, members] of Object.entries(lists)) {
        const text = JSON.stringify(members);
        const other = seen.get(`${kind} ${list}`);
        if (other !== undefined && other !== text)
          faults.push(`${name}: ${list} is another trunk's list with other members`);
        seen.set(`${kind} ${list}`, text);
      }
    }
  }
  for (const lists of [present.accessLists, present.credentialLists]) {
    const names = lists.map(({ friendlyName }) => friendlyName);
    for (const name of new Set(names.filter((one, at) => names.indexOf(one) !== at && seenIn(seen, one))))
      faults.push(`Twilio has several lists called ${name}`);
  }
  return faults;
}

const seenIn = (seen: ReadonlyMap<string, string>, list: string) =>
  seen.has(`ip ${list}`) || seen.has(`credentials ${list}`);

function planAccessList(list: string, wanted: readonly string[], { accessLists }: Present): Action[] {
  const found = accessLists.find(({ friendlyName }) => friendlyName === list);
  const blocks = new Set(wanted.map(normal));
  const there = found?.blocks ?? [];
  return [
    ...(found ? [] : [{ do: 'create-list', kind: 'access', list } as const]),
    ...there
      .filter(({ block }) => !blocks.has(normal(block)))
      .map(({ sid, block }) => ({ do: 'remove-block', list, block, sid }) as const),
    ...[...blocks]
      .filter((block) => !there.some((one) => normal(one.block) === block))
      .map((block) => ({ do: 'add-block', list, block }) as const),
  ];
}

function planCredentialList(
  list: string,
  wanted: Readonly<Record<string, string>>,
  { credentialLists }: Present,
  setPasswords: boolean,
): Action[] {
  const found = credentialLists.find(({ friendlyName }) => friendlyName === list);
  const there = found?.users ?? [];
  return [
    ...(found ? [] : [{ do: 'create-list', kind: 'credentials', list } as const]),
    ...there
      .filter(({ username }) => !Object.hasOwn(wanted, username))
      .map(({ sid, username }) => ({ do: 'remove-user', list, username, sid }) as const),
    ...Object.entries(wanted).flatMap(([username, password]): Action[] => {
      const user = there.find((one) => one.username === username);
      if (!user) return [{ do: 'add-user', list, username, password }];
      return setPasswords ? [{ do: 'set-password', list, username, sid: user.sid, password }] : [];
    }),
  ];
}

function planTrunk(name: string, trunk: SipTrunk, present: Present): Action[] {
  const friendlyName = friendlyNameOf(name, trunk);
  const { secure, transferMode } = trunk;
  const settings = { friendlyName, domainName: trunk.domainName ?? null, secure, transferMode };
  const found = present.trunks.find((one) => one.friendlyName === friendlyName);
  const changed = found ? differences(found, settings) : {};
  const own: Action[] = found
    ? Object.keys(changed).length > 0
      ? [{ do: 'update-trunk', trunk: friendlyName, settings: changed }]
      : []
    : [{ do: 'create-trunk', trunk: friendlyName, settings }];
  return [
    ...own,
    ...planAttachments(
      'access',
      friendlyName,
      Object.keys(trunk.ipAccessLists),
      found?.accessLists ?? [],
      present.accessLists,
    ),
    ...planAttachments(
      'credentials',
      friendlyName,
      Object.keys(trunk.credentialLists),
      found?.credentialLists ?? [],
      present.credentialLists,
    ),
    ...planUrls(friendlyName, trunk, found?.originationUrls ?? []),
  ];
}

function planAttachments(
  kind: ListKind,
  trunk: string,
  wanted: readonly string[],
  attached: readonly string[],
  lists: readonly { readonly sid: string; readonly friendlyName: string }[],
): Action[] {
  const nameOf = (sid: string) => lists.find((list) => list.sid === sid)?.friendlyName ?? sid;
  return [
    ...attached
      .filter((sid) => !wanted.includes(nameOf(sid)))
      .map((sid) => ({ do: 'detach', kind, trunk, sid }) as const),
    ...wanted
      .filter((list) => !attached.some((sid) => nameOf(sid) === list))
      .map((list) => ({ do: 'attach', kind, trunk, list }) as const),
  ];
}

function planUrls(
  trunk: string,
  { originationUrls }: SipTrunk,
  there: readonly (UrlSettings & { readonly sid: string })[],
): Action[] {
  const wanted = originationUrls.map(({ url, ...rest }): UrlSettings => ({ sipUrl: url, ...rest }));
  return [
    ...there
      .filter(({ sipUrl }) => !wanted.some((url) => url.sipUrl === sipUrl))
      .map(({ sid, sipUrl }) => ({ do: 'remove-url', trunk, sid, sipUrl }) as const),
    ...wanted.flatMap((url): Action[] => {
      const found = there.find(({ sipUrl }) => sipUrl === url.sipUrl);
      if (!found) return [{ do: 'add-url', trunk, url }];
      const same = found.priority === url.priority && found.weight === url.weight && found.enabled === url.enabled;
      return same ? [] : [{ do: 'update-url', trunk, sid: found.sid, url }];
    }),
  ];
}

function differences(found: TrunkSettings, wanted: TrunkSettings): Partial<TrunkSettings> {
  // A domain that the file leaves out is left as it is: it cannot be taken back from a trunk.
  const names = (['secure', 'transferMode', 'domainName'] as const).filter(
    (name) => found[name] !== wanted[name] && !(name === 'domainName' && wanted.domainName === null),
  );
  return Object.fromEntries(names.map((name) => [name, wanted[name]]));
}

const friendlyNameOf = (name: string, trunk: SipTrunk) => trunk.friendlyName ?? name;
const normal = (block: string) => (block.includes('/') ? block : `${block}/32`);

/** One line for a person; never a password. */
export function describe(action: Action): string {
  switch (action.do) {
    case 'create-list':
      return `create ${action.kind === 'access' ? 'IP access' : 'credential'} list ${action.list}`;
    case 'add-block':
      return `let ${action.block} in by ${action.list}`;
    case 'remove-block':
      return `let ${action.block} in no more by ${action.list}`;
    case 'add-user':
      return `add user ${action.username} to ${action.list}`;
    case 'set-password':
      return `set the password of ${action.username} in ${action.list}`;
    case 'remove-user':
      return `remove user ${action.username} from ${action.list}`;
    case 'create-trunk':
      return `create trunk ${action.trunk}`;
    case 'update-trunk':
      return `set ${Object.entries(action.settings)
        .map(([name, value]) => `${name} to ${String(value)}`)
        .join(', ')} of trunk ${action.trunk}`;
    case 'add-url':
      return `lead trunk ${action.trunk} to ${action.url.sipUrl}`;
    case 'update-url':
      return `change priority, weight or use of ${action.url.sipUrl} of trunk ${action.trunk}`;
    case 'remove-url':
      return `lead trunk ${action.trunk} to ${action.sipUrl} no more`;
    case 'attach':
      return `attach ${action.list} to trunk ${action.trunk}`;
    case 'detach':
      return `detach ${action.sid} from trunk ${action.trunk}`;
  }
}
