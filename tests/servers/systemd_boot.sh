#!/bin/sh
# systemd_boot.sh SCRATCH TREE: inside new namespaces (see systemd.py), lay a writable layer over the machine's folders and become
# systemd. Nothing that happens from here on reaches the machine's own disk: every layer lies in memory and goes with the namespace.
set -eu
scratch=$1 tree=$2

mount --make-rprivate /
mkdir "$scratch/memory"
mount -t tmpfs -o mode=755 tmpfs "$scratch/memory"
layer() {  # layer FOLDER LOWER: FOLDER shows LOWER, and keeps what is written to it in memory
    mkdir -p "$scratch/memory/$1/upper" "$scratch/memory/$1/work"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$scratch/memory/$1/upper,workdir=$scratch/memory/$1/work" "$1"
}
layer /usr "$tree/usr:/usr"
layer /etc /etc
layer /opt /opt
layer /var/lib /var/lib
# Neither a Postroom that is installed here for real nor the machine's other services are to be seen, let alone started.
rm -rf /opt/postroom /etc/postroom /var/lib/postroom /usr/local/bin/postroom /etc/systemd/system/*

for folder in /run /var/log; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir /run/dbus
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# systemd hands credentials over by mounts that spread from its namespace into the service's.
mount --make-rshared /

exec env -i container=private PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    SYSTEMD_UNIT_PATH="/etc/systemd/system:$scratch/units" \
    /usr/lib/systemd/systemd --system --unit=boot.target --log-target=journal --log-level=notice --show-status=no
