#!/bin/sh
# /usr/local/bin/postroom: a command of Postroom's as its own user and with the same secrets as the service.
# It starts in "/": give files by their whole path.

# Bash asks for completions; that needs neither user nor secrets.
[ -z "$_POSTROOM_COMPLETE" ] || exec /opt/postroom/venv/bin/postroom

# These write where only root may: settings, secrets, the service itself.
case ${1-} in init | install-service | uninstall-service)
    exec /opt/postroom/venv/bin/postroom --config /etc/postroom/config.toml "$@" ;;
esac

[ -S /run/dbus/system_bus_socket ] || {
    echo "postroom: the system bus, by which commands reach systemd, does not run." \
        "As root: apt-get install dbus; systemctl start dbus" >&2
    exit 1
}
unit=postroom-command-$$
# Without this, Ctrl-C would end the script and not the command whose output goes into a file.
trap 'systemctl stop $unit; exit 130' INT HUP
# Without StateDirectoryMode= systemd would open the state directory to everybody at each call.
systemd-run --unit=$unit --quiet --pty --pipe --wait --collect --uid=postroom \
    --property=LoadCredential=postroom:/etc/postroom/credentials \
    --property=StateDirectory=postroom --property=StateDirectoryMode=0700 \
    /opt/postroom/venv/bin/postroom --config /etc/postroom/config.toml "$@"
