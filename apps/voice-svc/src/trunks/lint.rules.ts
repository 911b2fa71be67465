import type { SipTrunk } from '@signalbox/tenants';

/** `error`: nothing is applied while there is one. */
export interface Finding {
  readonly level: 'error' | 'warning';
  readonly rule: string;
  /** Where in the tenant file, or at Twilio. */
  readonly at: string;
  readonly message: string;
}

/** So many addresses are nobody's own: whoever is among them could call at the tenant's cost. */
const widest = 16;
const wide = 24;

/** What is unsafe about trunks as the tenant file has them. That passwords are references is the file's schema to check. */
export function lintTrunks(trunks: Readonly<Record<string, SipTrunk>>): Finding[] {
  return Object.entries(trunks).flatMap(([name, trunk]) => [
    ...lintSecurity(name, trunk),
    ...trunk.originationUrls.flatMap(({ url }, index) => lintUrl(`${name}.originationUrls.${index}`, url)),
    ...Object.entries(trunk.ipAccessLists).flatMap(([list, blocks]) =>
      blocks.flatMap((block) => lintBlock(`${name}.ipAccessLists.${list}`, block)),
    ),
  ]);
}

function lintSecurity(name: string, trunk: SipTrunk): Finding[] {
  const findings: Finding[] = [];
  if (!trunk.secure)
    findings.push(
      error('insecure-trunk', `${name}.secure`, 'without TLS and SRTP calls can be listened to: leave secure on'),
    );
  const lists = Object.keys(trunk.ipAccessLists).length + Object.keys(trunk.credentialLists).length;
  if (trunk.domainName !== undefined && lists === 0)
    findings.push(
      error(
        'open-termination',
        name,
        'anybody who knows its domain could call: give it ipAccessLists or credentialLists',
      ),
    );
  if (trunk.transferMode === 'enable-all')
    findings.push(
      warning(
        'transfer-to-anywhere',
        `${name}.transferMode`,
        'a PBX that is broken into can transfer calls to the PSTN',
      ),
    );
  return findings;
}

function lintUrl(at: string, url: string): Finding[] {
  const findings: Finding[] = [];
  const isTls = url.startsWith('sips:') || /;transport=tls\b/i.test(url);
  if (!isTls) findings.push(error('plain-signalling', at, 'signalling is not encrypted: add ;transport=tls'));
  if (/^sips?:[^@;]*:[^@;]*@/.test(url))
    findings.push(error('secret-in-url', at, 'has a password in it: use credentialLists'));
  return findings;
}

function lintBlock(at: string, block: string): Finding[] {
  const [address = '', length = '32'] = block.split('/');
  const prefix = Number(length);
  if (prefix < widest)
    return [error('open-access', at, `${block} lets in ${2 ** (32 - prefix)} addresses: name your own`)];
  if (isPrivate(address)) return [warning('private-address', at, `${block} is private: nothing comes from there`)];
  return prefix < wide ? [warning('wide-access', at, `${block} lets in ${2 ** (32 - prefix)} addresses`)] : [];
}

function isPrivate(address: string): boolean {
  const [first = 0, second = 0] = address.split('.').map(Number);
  return (
    first === 10 ||
    first === 127 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254)
  );
}

/** Twilio refuses weaker ones. Says nothing of the password itself. */
export function isStrong(password: string): boolean {
  return password.length >= 12 && /\d/.test(password) && /[a-z]/.test(password) && /[A-Z]/.test(password);
}

const error = (rule: string, at: string, message: string): Finding => ({ level: 'error', rule, at, message });
const warning = (rule: string, at: string, message: string): Finding => ({ level: 'warning', rule, at, message });
