import { expect, it } from '@jest/globals';
import { keywordOf } from './keywords.rules.ts';

it.each([
  ['STOP', 'STOP'],
  [' stop \n', 'STOP'],
  ['StopAll', 'STOP'],
  ['revoke', 'STOP'],
  ['OPTOUT', 'STOP'],
  ['cancel', 'STOP'],
  ['Unstop', 'START'],
  ['yes', 'START'],
  ['Info', 'HELP'],
  ['STOP PLEASE', undefined],
  ['stop.', undefined],
  ['', undefined],
])('%j is %s', (body, keyword) => {
  expect(keywordOf(body)).toBe(keyword);
});
