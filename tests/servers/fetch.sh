#!/bin/sh
# fetch.sh [DEST]: four real IMAP servers for the tests, side by side, without installing any of them (their packages conflict) and
# without root; systemd with its message bus, which boots beside whatever runs here; and tesseract. Downloads by apt, unpacks into DEST
# (.servers/ at the root of the checkout), touches nothing outside of it.
# Needs apt's package lists: if there are none, run `apt-get update` as root once. A server that is there already is not fetched again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.servers}
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
export DEBIAN_FRONTEND=noninteractive HOME="$dest"

if [ "$(id -u)" = 0 ] && ! apt-cache show dovecot-imapd >/dev/null 2>&1; then apt-get update -qq; fi

# A bare machine has no C compiler, which one file below needs: the smallest there is needs no headers either.
packages="dovecot-imapd courier-imap cyrus-imapd mailutils-imap4d systemd tesseract-ocr"
if ! command -v cc >/dev/null; then packages="$packages tcc"; fi

for package in $packages; do
    target=$dest/$package
    [ -e "$target/complete" ] && continue
    rm -rf "$target"
    mkdir -p "$target/debs/partial" "$target/root"
    with=""
    if [ "$package" = systemd ]; then with=dbus; fi  # systemd-run asks over the bus
    if [ "$package" = tesseract-ocr ]; then with="tesseract-ocr-deu"; fi  # English and the way of the page come by themselves
    # -d only downloads, and the solver picks exactly the libraries that this machine lacks.
    apt-get install -y -qq -d --no-install-recommends --reinstall -o Dir::Cache::archives="$target/debs" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User="" "$package" $with >/dev/null
    for deb in "$target"/debs/*.deb; do
        case ${deb##*/} in
            perl*|libperl*|exim4*|gawk*|libclamav*|db*util*) ;;  # asked for by the packages, not by a server in a test
            *) dpkg -x "$deb" "$target/root" ;;
        esac
    done
    # Debian's /lib is /usr/lib, and so are its /bin and /sbin: one tree serves as overlay on /usr and as library path.
    for folder in lib bin sbin; do
        if [ -d "$target/root/$folder" ]; then
            mkdir -p "$target/root/usr/$folder"
            cp -a "$target/root/$folder/." "$target/root/usr/$folder/"
        fi
    done
    rm -rf "$target/debs"
    touch "$target/complete"
done

# Courier's file alteration monitor waits 1.2 s for a daemon at every folder. A stand-in that fails at once makes Courier look by itself.
if [ ! -e "$dest/stub/libfam.so.0" ]; then
    mkdir -p "$dest/stub"
    if command -v cc >/dev/null; then compile=cc; else
        library=$(echo "$dest"/tcc/root/usr/lib/*/tcc)
        compile="$dest/tcc/root/usr/bin/tcc -B$library -nostdlib"
    fi
    $compile -shared -fPIC -Wl,-soname=libfam.so.0 -o "$dest/stub/libfam.so.0" "$here/nofam.c"
fi

# The servers run as an ordinary user, who must be able to read all this.
chmod -R a+rX "$dest"
