// Asks the server that served the page, by gRPC-Web. A question is a method with its request, so
// that the same thing can be asked here and written down as a line for a terminal.
import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  create,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  BadRequestSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from "../generated/google/rpc/error_details_pb";
import { noteAnswer, noteOutage } from "./connection";
import { grpcurlLine } from "./core/grpcurl";
import { type Failure, isOutage } from "./core/words";

const TOKEN_KEY = "daybook-token";
/** Nobody looks at a page for longer than this without an answer. */
const DEADLINE_MS = 30_000;

export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? "";
}

/** Shows this token from now on; none, where it is empty. It goes with the tab. */
export function setToken(text: string): void {
  if (text) sessionStorage.setItem(TOKEN_KEY, text);
  else sessionStorage.removeItem(TOKEN_KEY);
}

const authorize: Interceptor = (next) => (request) => {
  if (token()) request.header.set("authorization", `Bearer ${token()}`);
  return next(request);
};

/** Browsers tell that nobody answered as a TypeError, each in words of its own. */
async function fetchOrUnavailable(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(input, init);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new ConnectError("nobody answers at this address", Code.Unavailable);
    }
    throw error;
  }
}

const transport = createGrpcWebTransport({
  baseUrl: location.origin,
  interceptors: [authorize],
  fetch: fetchOrUnavailable,
});

export interface Question<O extends DescMessage> {
  ask(signal: AbortSignal): Promise<MessageShape<O>>;
  /** The line that asks the same from a terminal. */
  line: string;
  /** The same for the same question. */
  key: string;
}

function lineOf(method: { name: string; parent: { typeName: string } }, request: unknown): string {
  const call = { service: method.parent.typeName, method: method.name, request };
  const server = { protocol: location.protocol, host: location.host, hasToken: token() !== "" };
  return grpcurlLine(call, server);
}

export function question<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  init: MessageInitShape<I>,
): Question<O> {
  const request = create(method.input, init);
  const line = lineOf(method, toJson(method.input, request, { useProtoFieldName: true }));
  const ask = async (signal: AbortSignal) => {
    try {
      const answer = await transport.unary(method, signal, DEADLINE_MS, undefined, request);
      noteAnswer();
      return answer.message;
    } catch (error) {
      note(error, signal);
      throw error;
    }
  };
  return { ask, line, key: line };
}

export interface Watch<O extends DescMessage> {
  messages(signal: AbortSignal): AsyncIterable<MessageShape<O>>;
  line: string;
}

/** A stream of the server's. It ends with an error, or where the server ends it. */
export function watch<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  init: MessageInitShape<I>,
): Watch<O> {
  const request = create(method.input, init);
  const line = lineOf(method, toJson(method.input, request, { useProtoFieldName: true }));
  async function* messages(signal: AbortSignal) {
    try {
      const once = (async function* () {
        yield request;
      })();
      const answer = await transport.stream(method, signal, undefined, undefined, once);
      for await (const message of answer.message) {
        noteAnswer();
        yield message;
      }
    } catch (error) {
      note(error, signal);
      throw error;
    }
  }
  return { messages, line };
}

let tellUnauthenticated: () => void = () => undefined;
let isAsking = false;

/** Says once that the server wants a token that it has not seen. */
export function onUnauthenticated(listener: () => void): void {
  tellUnauthenticated = listener;
}

/** Whether it does; then there is nothing else to show. */
export function isUnauthenticated(): boolean {
  return isAsking;
}

function note(error: unknown, signal: AbortSignal): void {
  if (signal.aborted) return;
  const failure = failureOf(error);
  if (isOutage(failure)) noteOutage();
  else noteAnswer();
  if (failure.code !== Code.Unauthenticated || isAsking) return;
  isAsking = true;
  tellUnauthenticated();
}

/** A connection that broke in the middle has no status: it is as if nobody answered. */
function isBroken(error: ConnectError): boolean {
  const isLocal = error.code === Code.Internal || error.code === Code.Unknown;
  const broke = /network|missing trailer|missing message|premature|load failed|aborted/i;
  return isLocal && (error.cause instanceof TypeError || broke.test(error.rawMessage));
}

/** What a call failed with, as far as anybody can be told. */
export function failureOf(error: unknown): Failure {
  const found = ConnectError.from(error);
  const fields = found.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  const preconditions = found
    .findDetails(PreconditionFailureSchema)
    .flatMap((detail) => detail.violations);
  const failure: Failure = {
    code: isBroken(found) ? Code.Unavailable : found.code,
    message: isBroken(found) ? "the connection broke" : found.rawMessage,
    fields,
    preconditions,
  };
  const delay = found.findDetails(RetryInfoSchema)[0]?.retryDelay;
  if (delay) failure.retrySeconds = Number(delay.seconds) + delay.nanos / 1e9;
  return failure;
}
