#!/usr/bin/env bash
# Builds h2spec, the conformance test of HTTP/2 servers, into .cache/h2spec, where test/safety/h2spec.test.ts looks for it.
# Versions are pinned: the list of known failures belongs to them. Needs Go (any version since 1.24) and the Go module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v go >/dev/null || PATH="$PATH:/usr/local/go/bin"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local

target="$PWD/.cache/h2spec"
mkdir -p "$target"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/go.mod" <<'MODULE'
module h2spec.build

go 1.24

require (
	github.com/fatih/color v1.18.0
	github.com/inconshreveable/mousetrap v1.1.0
	github.com/spf13/cobra v1.9.1
	github.com/summerwind/h2spec v2.2.1+incompatible
	golang.org/x/net v0.40.0
)
MODULE
cd "$work"
go build -o "$target/h2spec" github.com/summerwind/h2spec/cmd/h2spec
echo "$target/h2spec"
