// The checks of the values of core kinds, as the API server makes them once an object could be decoded.
import { checkConfigMap, checkSecret } from './data.ts';
import { checkEndpointSlice } from './endpoint-slice.ts';
import { checkIngress, checkIngressClass } from './ingress.ts';
import type { Fields, Say } from './say.ts';
import { checkService } from './service.ts';

/** By `group/kind`. */
export const coreChecks: Readonly<Record<string, (object: Fields, say: Say) => void>> = {
  '/ConfigMap': checkConfigMap,
  '/Secret': checkSecret,
  '/Service': checkService,
  'discovery.k8s.io/EndpointSlice': checkEndpointSlice,
  'networking.k8s.io/Ingress': checkIngress,
  'networking.k8s.io/IngressClass': checkIngressClass,
};
