// The line that asks the same from a terminal.

export interface Call {
  /** For example `daybook.v1.AnalyticsService`. */
  service: string;
  method: string;
  /** The request as JSON, with the contract's names. */
  request: unknown;
}

export interface Server {
  /** As in location.protocol: `http:` or `https:`. */
  protocol: string;
  /** Host and port as in location.host, which leaves the usual port out. */
  host: string;
  /** Whether callers show a token. It is not in the line: a variable stands for it. */
  hasToken: boolean;
}

/** Text as one word of a POSIX shell. */
export function shellQuote(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON as people write it, on one line. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([name, of]) => `${JSON.stringify(name)}: ${inline(of)}`,
  );
  return `{${fields.join(", ")}}`;
}

export function grpcurlLine(call: Call, server: Server): string {
  const words = ["grpcurl"];
  const isPlain = server.protocol !== "https:";
  if (isPlain) words.push("-plaintext");
  if (server.hasToken) words.push('-H "authorization: Bearer $DAYBOOK_TOKEN"');
  const request = inline(call.request);
  if (request !== "{}") words.push("-d", shellQuote(request));
  const hasPort = /:\d+$/.test(server.host);
  words.push(shellQuote(hasPort ? server.host : `${server.host}:${isPlain ? 80 : 443}`));
  words.push(`${call.service}/${call.method}`);
  return words.join(" ");
}
