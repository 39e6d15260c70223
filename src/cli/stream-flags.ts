// Flags of commands that have to do with the stream from a controller to its data planes.
import type { Flag } from './command.ts';

export const controller: Flag = {
  name: 'controller',
  value: 'HOST:PORT',
  help: 'Where the controller serves data planes (portolan controller --stream-address).',
};

export const serverName: Flag = {
  name: 'server-name',
  value: 'NAME',
  default: 'portolan-controller',
  help: 'That the certificate of the controller has to be for.',
};
