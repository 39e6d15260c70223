// A stream -> the server for its kind of node: that is known by the first type that it asks for.
import type { Connection, Discovery } from '../delta-server.ts';

/** @param isFor whether a type is one of those of `others` */
export function entrance(own: Discovery, others: Discovery, isFor: (typeUrl: string) => boolean): Discovery {
  return {
    connect: (gateway, writer) => {
      let connection: Connection | undefined = own.connect(gateway, writer);
      if (connection === undefined) return undefined;
      let decided = false;
      return {
        request: (request) => {
          if (!decided && isFor(request.typeUrl)) {
            connection?.close();
            connection = others.connect(gateway, writer);
            if (connection === undefined) writer.refuse('too many streams of this gateway');
          }
          decided = true;
          connection?.request(request);
        },
        drained: () => connection?.drained(),
        close: () => connection?.close(),
      };
    },
  };
}
