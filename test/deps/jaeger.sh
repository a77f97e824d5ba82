#!/bin/sh
# Builds Jaeger's all-in-one, without its web page, into the file $1. It comes
# from the Go module proxy. Its go.mod has replacements, which only count when
# it is the main module, so it is built in a copy.
set -eu
target=$(realpath -m "$1")
[ ! -x "$target" ] || exit 0
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
dir=$(cd "$work" && go mod download -json github.com/jaegertracing/jaeger@v1.62.0 | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
cp -R "$dir" "$work/jaeger"
chmod -R u+w "$work/jaeger"
mkdir -p "$(dirname "$target")"
cd "$work/jaeger"
CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -o "$target" ./cmd/all-in-one
