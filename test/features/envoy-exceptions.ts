// Tests of engines that do not hold on an Envoy, by file and name, and why: each is a line of docs/reference/envoy-differences.md. A
// name with `*` at its end stands for all that begin so.
export const exceptions: Readonly<Record<string, Readonly<Record<string, string>>>> = {};
