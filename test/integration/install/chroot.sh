#!/bin/sh
# Runs a script in a copy of this machine that is forgotten at its end: an overlay on /, namespaces of its own, no network.
# systemctl and deb-systemd-invoke only write down in /calls what they are asked of a running system.
# Usage: unshare --mount --pid --net --fork --kill-child sh chroot.sh FOLDER SCRIPT   (what is in FOLDER is in /given)
set -eu
given=$1 script=$2
base=$(mktemp -d /tmp/pointsman-chroot-XXXXXX)
trap 'umount -l "$base"; rmdir "$base"' EXIT
mount -t tmpfs -o size=1g base "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
cd "$base/root"
mkdir -p given
mount --bind "$given" given
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs run run
mkdir -p run/systemd/system
for name in systemctl deb-systemd-invoke; do
  cat >"usr/local/sbin/$name" <<END
#!/bin/sh
echo "$name \$*" >>/calls
case "\$*" in
*preset*) SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl "\$@" ;;
esac
END
  chmod 755 "usr/local/sbin/$name"
done
: >calls
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
  chroot . /bin/sh -euc "$script"
