import { describe, expect, it } from '@jest/globals';
import { readHeaders } from './headers.rules.ts';
import { kindOf } from './kind.rules.ts';

describe('kindOf', () => {
  it.each([
    ['a person', 'Subject: Hello', 'a@example.com', 'message'],
    ['a person whose program says so', 'Auto-Submitted: no', 'a@example.com', 'message'],
    ['out of office', 'Auto-Submitted: auto-replied', 'a@example.com', 'auto_reply'],
    ['with a parameter', 'Auto-Submitted: auto-replied; owner-email="a@x"', 'a@example.com', 'auto_reply'],
    ['with a comment', 'Auto-Submitted: no (a person)', 'a@example.com', 'message'],
    ['out of office without a sender', 'Auto-Submitted: auto-replied', '', 'auto_reply'],
    ['a notification', 'Auto-Submitted: auto-generated', 'a@example.com', 'auto_reply'],
    ['Precedence', 'Precedence: auto_reply', 'a@example.com', 'auto_reply'],
    ['X-Autoreply', 'X-Autoreply: yes', 'a@example.com', 'auto_reply'],
    ['a newsletter', 'Precedence: Bulk', 'a@example.com', 'list'],
    ['a list', 'List-Id: <dev.example.org>', 'a@example.com', 'list'],
    [
      'a report of a failure',
      'Content-Type: multipart/report; report-type=delivery-status;\n boundary="x"',
      '',
      'bounce',
    ],
    [
      'such a report, generated',
      'Auto-Submitted: auto-replied\nContent-Type: Multipart/Report; boundary=x',
      '',
      'bounce',
    ],
    [
      'a read receipt',
      'Content-Type: multipart/report; report-type="disposition-notification"',
      'a@example.com',
      'auto_reply',
    ],
    ['a report with its recipients', 'X-Failed-Recipients: a@example.com', 'mta@example.com', 'bounce'],
    ['mailer-daemon', 'Subject: Undelivered', 'MAILER-DAEMON@example.com', 'bounce'],
    ['no sender at all', 'Subject: Undelivered', '', 'bounce'],
  ])('%s', (_label, source, envelopeFrom, kind) => expect(kindOf(readHeaders(source), envelopeFrom)).toBe(kind));
});
