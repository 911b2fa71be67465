export type OptOutType = 'STOP' | 'START' | 'HELP';

const keywords = new Map<string, OptOutType>([
  ...['STOP', 'UNSUBSCRIBE', 'END', 'QUIT', 'STOPALL', 'REVOKE', 'OPTOUT', 'CANCEL'].map(
    (word) => [word, 'STOP'] as const,
  ),
  ...['START', 'YES', 'UNSTOP'].map((word) => [word, 'START'] as const),
  ...['HELP', 'INFO'].map((word) => [word, 'HELP'] as const),
]);

/** Twilio's default filter: the keyword alone, in any case; "STOP PLEASE" is not one. */
export const keywordOf = (body: string): OptOutType | undefined => keywords.get(body.trim().toUpperCase());
