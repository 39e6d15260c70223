#!/usr/bin/env bash
# Checks that the lab runs Pods and forwards Services as a cluster does: what a
# container finds around it, probes, hooks, volumes that follow their objects,
# names, every kind of Service, and a roll under load. Needs a lab that is up.
. "$(dirname "$0")/lib.sh"
node="${NODE:-$LAB_ROOT/../../node_modules/node/bin/node}"
[ -x "$node" ] || die "no $node: run npm ci first"
url=http://10.201.7.7:8080
failed=0

# check WHAT PATTERN CMD...: what CMD prints has to match, within a few seconds:
# the last endpoint of a Service may come a little after its Pod.
check() {
  local what="$1" pattern="$2" out; shift 2
  for _ in 1 2 3 4 5 6; do
    out="$("$@" 2>&1)" || true
    if grep -qE -- "$pattern" <<<"$out"; then say "ok: $what"; return; fi
    sleep 0.5
  done
  say "FAILED: $what: wanted $pattern, got: $out"
  failed=1
}
get() { in_lab curl -sS --max-time 5 "$@"; }
is() { "${@:2}" 2>&1 | grep -qE -- "$1"; }
smoke() { kc -n smoke "$@"; }

kc delete namespace smoke --ignore-not-found >/dev/null
kc create configmap server --from-file=server.js="$LAB_ROOT/smoke-server.js" --dry-run=client -o yaml | sed 's/^metadata:/metadata:\n  namespace: smoke/' |
  cat "$LAB_ROOT/smoke-pods.yaml" <(echo ---) - | kc apply -f - >/dev/null
smoke rollout status deployment/web --timeout=60s >/dev/null || die "the Deployment is not ready"
wait_for 10 "load balancer" get $url/

check "user, groups, capabilities, privileges" '"pid":1,"uid":65532,"groups":\[4000,65532\],"capabilities":"0+","noNewPrivs":"1"' get $url/about
check "what may be written" '"writable":\["/tmp/x"\]' get $url/about
check "init container, Secret, envFrom, downward API, namespace" '"before":"init","word":"one","greeting":"hello","namespace":"smoke","named":true' get $url/about
check "argument from the environment" '"v1"' get $url/
check "name of a Service" '10\.96\.' get "$url/name?of=web"
check "names of Pods" '(10\.244\.[0-9.]+".*){3}' get "$url/name?of=headless.smoke.svc.cluster.local"
check "name that is none" ENOTFOUND get "$url/name?of=nothing.smoke.svc"
check "Service reached from its own Pods" '"v1' get "$url/fetch?url=http://web:8080/"
check "API server with the Pod's token: known, and not allowed" 403 get "$url/api"
check "NodePort" v1 get "http://$NODE_IP:$(smoke get service web -o jsonpath='{.spec.ports[0].nodePort}')/"
check "datagrams" 'ping back' in_lab timeout 5 "$node" -e "
  const s = require('dgram').createSocket('udp4', (m) => { console.log(String(m)); s.close(); });
  s.send('ping', 53, '10.201.7.7')"
check "Pod in the node's network" node get "http://$NODE_IP:8099/"
smoke wait --for=condition=complete --timeout=20s job/once >/dev/null || true
check "Job" 'done once' smoke logs job/once
smoke wait --for=condition=Ready --timeout=20s pod/stubborn >/dev/null || true
asked_to_end() {
  local t0=$SECONDS; smoke delete pod stubborn --timeout=20s >/dev/null
  echo "after $((SECONDS - t0)) s: $(cat "$STATE/kubelet/logs/smoke_stubborn_stubborn.log")"
}
check "SIGTERM, then SIGKILL after the grace period" 'after [345] s: told' asked_to_end

pod="$(smoke get pods -l app=web -o jsonpath='{.items[0].metadata.name}')"
check "kubectl exec" '^65532 in$' smoke exec -i "$pod" -- node -e "process.stdin.on('data', (d) => console.log(process.getuid() + ' ' + d))" <<<in
exit_code() { smoke exec "$pod" -- node -e "process.exit(7)" >/dev/null 2>&1 || echo "exit $?"; }
check "its exit code" 'exit 7' exit_code
forwarded() {
  local pid n
  nsenter --net="/run/netns/$LAB" -- kubectl --kubeconfig "$STATE/pki/admin.kubeconfig" -n smoke port-forward "pod/$pod" 18080:80 >/dev/null 2>&1 &
  pid=$!
  for n in 1 2 3 4 5 6 7 8 9; do sleep 0.5; if get http://127.0.0.1:18080/ 2>/dev/null; then break; fi; done
  kill $pid
}
check "kubectl port-forward" v1 forwarded

smoke create secret generic word --from-literal=word=two --dry-run=client -o yaml | smoke apply -f - >/dev/null 2>&1
wait_for 5 "Secret in a running Pod" is '"word":"two"' get $url/about
say "ok: Secret followed in running Pods"

get $url/sick >/dev/null
restarts() { smoke get pods -l app=web -o jsonpath='{.items[*].status.containerStatuses[0].restartCount}'; }
wait_for 20 "restart by the liveness probe" is '1' restarts
say "ok: restarted by the liveness probe"
smoke rollout status deployment/web --timeout=30s >/dev/null

in_lab "$node" "$LAB_ROOT/smoke-load.mjs" $url/ 14 >"$STATE/smoke-load.json" &
load=$!
sleep 1
smoke set env deployment/web VERSION=v2 >/dev/null
terminating() { smoke get endpointslices -l kubernetes.io/service-name=web -o jsonpath='{range .items[*].endpoints[*]}{.conditions}{"\n"}{end}'; }
wait_for 15 "a terminating endpoint" is '"ready":false,"serving":true,"terminating":true' terminating
smoke rollout status deployment/web --timeout=30s >/dev/null || true
if wait $load && is v2 cat "$STATE/smoke-load.json"; then
  say "ok: rolled under load: $(cat "$STATE/smoke-load.json")"
else
  say "FAILED: roll under load: $(cat "$STATE/smoke-load.json")"
  failed=1
fi
kc delete namespace smoke --wait=false >/dev/null
exit $failed
