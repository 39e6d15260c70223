// Resetting streams. Http2Stream.close() with a code first ends our side in good order, with END_STREAM, so that what was
// broken off would look complete to the peer; only destroying the stream sends RST_STREAM and nothing else.
import type { Http2Stream } from 'node:http2';
import { addAbortSignal } from 'node:stream';

const aborted = AbortSignal.abort();

/** CANCEL: nobody wants it any more. */
export function cancelStream(stream: Http2Stream): void {
  if (!stream.destroyed) addAbortSignal(aborted, stream);
}

/** INTERNAL_ERROR: it cannot be completed. */
export function breakStream(stream: Http2Stream): void {
  if (!stream.destroyed) stream.destroy(new Error('broken off'));
}
