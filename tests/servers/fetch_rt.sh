#!/bin/sh
# Fetch Request Tracker 5 for the tests without installing anything: packages are downloaded, unpacked, and used from there.
#
#   fetch_rt.sh [FOLDER]        default: .servers/rt in the repository
#
# Runs as root or as an ordinary user, needs a Debian or Ubuntu with package lists (`apt-get update`), takes about 15 seconds
# and 150 MB, and does nothing when the folder is complete. tests/servers/rt.py starts what lies in FOLDER/root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../.servers/rt}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

[ -e "$folder/complete" ] && exit 0
rm -rf "$folder/root" "$folder/packages"
mkdir -p "$folder/root" "$folder/packages/partial"

# dpkg-deb reads the user's settings from HOME, which may belong to somebody else under sudo.
export HOME="$folder" DEBIAN_FRONTEND=noninteractive

# Download only: apt's solver names exactly the libraries that this machine lacks, and nothing is installed or started.
# --reinstall: an RT that this machine has installed is fetched all the same.
if ! apt-get install -y -qq --download-only --no-install-recommends --reinstall \
    -o Dir::Cache::archives="$folder/packages" -o Debug::NoLocking=1 -o APT::Sandbox::User="" \
    request-tracker5 rt5-db-sqlite rt5-standalone >"$folder/apt.log" 2>&1; then
    cat "$folder/apt.log" >&2
    echo "fetch_rt.sh: apt could not download request-tracker5. Run 'apt-get update' as root, then try again." >&2
    exit 1
fi

for package in "$folder"/packages/*.deb; do
    case ${package##*/} in
    perl-doc* | fonts-* | exim4* | graphviz*) ;; # pulled in by dependency, not needed to run
    *) dpkg-deb -x "$package" "$folder/root" ;;
    esac
done

# The tree is laid over /usr alone, so what packages put into /lib must lie in usr/lib.
if [ -d "$folder/root/lib" ]; then
    cp -a "$folder/root/lib/." "$folder/root/usr/lib/"
    rm -rf "$folder/root/lib"
fi
rm -rf "$folder/packages"
touch "$folder/complete"
