// Puts questions again that a server could not answer now: gRPC-Web and Connect have no retries of
// their own. Streams are not put again, nor is anything once its deadline has passed.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

const tries = 4;

export const retry: Interceptor = (next) => async (request) => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await next(request);
    } catch (reason) {
      const error = ConnectError.from(reason);
      const mayChange = error.code === Code.Unavailable && !request.stream;
      if (!mayChange || attempt === tries || request.signal.aborted) throw error;
      const pause = 100 * 2 ** (attempt - 1) * (1 + Math.random());
      await new Promise((done) => setTimeout(done, pause));
    }
  }
};
