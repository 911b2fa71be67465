import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/** HTTP status and text of the errors the API answers; the texts are ours, the codes Twilio's. */
const catalogue: Record<number, readonly [status: number, text: string]> = {
  10004: [429, 'Call concurrency limit exceeded'],
  20001: [400, 'Invalid parameter'],
  20003: [401, 'Authenticate'],
  20009: [409, 'This resource is not in a final state yet'],
  20404: [404, 'The requested resource was not found'],
  20429: [429, 'Too Many Requests'],
  20500: [500, 'An internal server error has occurred'],
  21201: [400, "No 'To' number is specified"],
  21205: [400, 'Invalid URL'],
  21210: [400, "The 'From' number is not one of this account"],
  21211: [400, "Invalid 'To' phone number"],
  21212: [400, "Invalid 'From' number"],
  21213: [400, "A 'From' number is required"],
  21214: [400, "The 'To' number cannot be reached"],
  21215: [400, "Permission to call the region of the 'To' number is not enabled"],
  21216: [400, 'The call is blocked'],
  21217: [400, "The 'To' number does not appear to be valid"],
  21220: [400, 'The call is not in progress'],
  21240: [400, 'The password is too weak'],
  21266: [400, "'To' and 'From' cannot be the same"],
  21408: [400, "Permission to send to the region of the 'To' number is not enabled"],
  21602: [400, 'A message body is required'],
  21603: [400, "A 'From' or 'MessagingServiceSid' is required"],
  21604: [400, "A 'To' phone number is required"],
  21606: [400, "The 'From' number is not a message-capable number of this account"],
  21609: [400, "Invalid 'StatusCallback' URL"],
  21610: [400, 'Attempt to send to an unsubscribed recipient'],
  21611: [400, "The queue of the 'From' number is full"],
  21612: [400, "The message cannot be sent with this combination of 'To' and 'From'"],
  21614: [400, "The 'To' number is not a mobile number"],
  21617: [400, 'The message body exceeds 1600 characters'],
  21620: [400, 'Invalid media URL'],
  21623: [400, 'More than 10 media files'],
  21624: [400, 'The validity period must be from 1 to 36000 seconds'],
  21626: [400, "Invalid 'StatusCallbackEvent'"],
  21655: [400, 'The ContentSid is invalid'],
  21656: [400, 'The ContentVariables are invalid'],
  21701: [400, 'The messaging service does not exist'],
  21704: [400, 'The messaging service contains no phone numbers'],
  21910: [400, "'To' and 'From' are of different channels"],
  22003: [400, 'A queue of this name exists'],
  30409: [409, 'This message cannot be canceled'],
  35111: [400, 'SendAt is missing'],
  35114: [400, 'SendAt is not an ISO 8601 time'],
  35115: [400, 'SendAt is less than 5 minutes or more than 35 days away'],
  35118: [400, 'Scheduling requires a MessagingServiceSid'],
  60200: [400, 'Invalid parameter'],
  60202: [429, 'Max check attempts reached'],
  60203: [429, 'Max send attempts reached'],
  60204: [403, 'Your service does not have access to this feature'],
  60205: [403, 'SMS is not supported by landline phone number'],
  60206: [400, "The 'Amount' and 'Payee' parameters are required"],
  60208: [400, 'A rate limit with this UniqueName exists already'],
  60209: [400, 'The format of the UniqueName is invalid'],
  60211: [400, 'A bucket with this Interval exists already'],
  60212: [429, 'Too many concurrent requests for phone number'],
  60220: [400, 'Messages to China require use case vetting'],
  60223: [400, 'Delivery channel disabled'],
  60224: [400, 'Missing substitutions for the selected template'],
  60228: [400, 'The template was not found'],
  60238: [403, 'Verification creation attempt blocked by Twilio'],
  60410: [403, 'Verification delivery attempt blocked'],
  60602: [400, 'App hash can only be used with SMS channel'],
  60605: [403, 'Verification delivery attempt blocked'],
  63007: [400, "No channel has this 'From' address"],
};

/** An answer in Twilio's error JSON: `{code, message, more_info, status}`. */
export class TwilioError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(
    readonly code: number,
    options: { detail?: string; status?: number; headers?: Record<string, string> } = {},
  ) {
    const [status, text] = catalogue[code] ?? [400, `Error ${code}`];
    super(options.detail === undefined ? text : `${text}: ${options.detail}`);
    this.status = options.status ?? status;
    this.headers = options.headers ?? {};
  }

  toJSON() {
    const { code, message, status } = this;
    return { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status };
  }
}

@Catch(TwilioError)
export class TwilioErrorFilter implements ExceptionFilter<TwilioError> {
  catch(error: TwilioError, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    void reply.status(error.status).headers(error.headers).send(error.toJSON());
  }
}
