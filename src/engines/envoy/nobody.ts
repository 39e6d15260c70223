// A certificate authority that vouches for nobody: its key was thrown away when it was made. Envoy wants one where a listener or
// cluster has no authority that stands there, and then nobody is to be believed.
export const nobody: string = `-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUUo7Wup5KffhYRvojk1iLtU2PR+AwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMTEwNDMzNVoYDzIxMjYxMDI4MTA0
MzM1WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATy7ofA+OkIjauat9VZVqMMEy7FR8SiVJIuSTCg580iMXDQHmw3khB9nXC3Wzom
/kToml7ifUI+qyYQw09PZdGho1MwUTAdBgNVHQ4EFgQUOtMVsBrhf3ouoAUzFrc5
ynfzbmMwHwYDVR0jBBgwFoAUOtMVsBrhf3ouoAUzFrc5ynfzbmMwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAnyCPunV69rA2+NeUOj3ogdla3INb
sKnRBiXj5Wj7SDUCIQCvcALIPRiuDrRcrjm2PkuOrCjmvqZ1E+kzf0D1te3QmA==
-----END CERTIFICATE-----`;
