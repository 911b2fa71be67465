export interface Address {
  /** In lower case: the part before the @ may tell cases apart, and no mailbox provider makes use of that. */
  readonly email: string;
  readonly name: string | null;
}

/**
 * Reads `a@example.com` or `Name <a@example.com>`; undefined for what no mail server takes. Stricter than RFC 5322, as SendGrid
 * is: no comments, no quoted local parts, a domain with a dot; domains of other scripts in their ASCII form.
 */
export function readAddress(written: string): Address | undefined {
  const [, name, inBrackets] = /^\s*(?:"?([^"<>]*?)"?\s*)<([^<>]+)>\s*$/.exec(written) ?? [];
  const email = (inBrackets ?? written).trim().toLowerCase();
  if (!addressForm.test(email)) return undefined;
  return { email, name: name?.trim() || null };
}

export function writeAddress({ email, name }: Address): string {
  return name === null ? email : `${name} <${email}>`;
}

export function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1);
}

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const addressForm = new RegExp(
  `^(?=.{3,254}$)(?!\\.)(?!.*\\.\\.)(?!.*\\.@)[a-z0-9.!#$%&'*+/=?^_\`{|}~-]{1,64}@(?:${label}\\.)+${label}$`,
);
