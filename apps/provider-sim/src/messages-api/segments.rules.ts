const gsm7 = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Sent as an escape and a second septet. */
const gsm7Extension = new Set('\f^{}\\[~]|€');

/** How many segments the body is sent as: GSM 03.38 when every character allows it, else UCS-2. */
export function countSegments(body: string): number {
  if (body === '') return 0;
  const septets = countSeptets(body);
  return septets === undefined ? split(body.length, 70, 67) : split(septets, 160, 153);
}

function countSeptets(body: string): number | undefined {
  let septets = 0;
  for (const character of body) {
    if (gsm7.has(character)) septets += 1;
    else if (gsm7Extension.has(character)) septets += 2;
    else return undefined;
  }
  return septets;
}

const split = (units: number, alone: number, joined: number) => (units <= alone ? 1 : Math.ceil(units / joined));
