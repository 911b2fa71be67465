import { expect, it } from '@jest/globals';
import { placeBook, placeOf } from './place.rules.ts';

it.each([
  ['+1415555', 'US', '+1415', ''],
  ['+1242357', 'BS', '+1242', 'BaTelCo'],
  ['+4915112345', 'DE', '+49151', 'T-Mobile'],
  ['+99450123', 'AZ', '+994501', 'Azercell'],
  ['+8825', '', '+8825', ''],
  ['', '', '', ''],
])('a number that begins with %s is in %s, under %s, of %s', (digits, country, prefix, carrier) => {
  const place = { country, prefix, carrier };
  expect(placeOf(digits, 3)).toEqual(place);
  const book = placeBook(3);
  expect([book(digits), book(digits)]).toEqual([place, place]);
});

it('takes as many digits of the national number as asked for', () => {
  expect([1, 5].map((count) => placeOf('+99450123', count).prefix)).toEqual(['+9945', '+99450123']);
});
