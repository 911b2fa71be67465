import sanitize from 'sanitize-html';

/** Bytes of JSON that are told of a body: with text and references an event stays below the 1 MB a Kafka record may have. */
export const maxHtmlBytes = 300_000;

const options: sanitize.IOptions = {
  allowedTags: [
    ...['p', 'br', 'hr', 'div', 'span', 'blockquote', 'pre', 'code', 'a', 'img', 'ul', 'ol', 'li', 'dl', 'dt', 'dd'],
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'b', 'strong', 'i', 'em', 'u', 's', 'sub', 'sup', 'small'],
    ...['table', 'caption', 'thead', 'tbody', 'tfoot', 'tr', 'th', 'td'],
  ],
  allowedAttributes: { a: ['href', 'title', 'rel'], img: ['src', 'alt'], td: ['colspan', 'rowspan'], th: ['colspan'] },
  allowedSchemes: ['http', 'https', 'mailto', 'tel'],
  // An image from the net tells its owner who reads this, and when: only those that came along are shown.
  allowedSchemesByTag: { img: ['cid'] },
  allowProtocolRelative: false,
  // What is deeper is markup made to be costly.
  nestingLimit: 100,
  transformTags: { a: sanitize.simpleTransform('a', { rel: 'noopener noreferrer nofollow' }) },
  exclusiveFilter: ({ tag, attribs }) => tag === 'img' && attribs['src'] === undefined,
};

/**
 * HTML of a stranger, made harmless to show: known tags, links and attached images only.
 * @returns `cut` where it was longer than an event can tell
 */
export function sanitiseHtml(html: string): { html: string; cut: boolean } {
  for (let length = html.length; ; length = length >> 1) {
    const clean = sanitize(html.slice(0, length), options);
    if (Buffer.byteLength(JSON.stringify(clean)) <= maxHtmlBytes) return { html: clean, cut: length < html.length };
  }
}
