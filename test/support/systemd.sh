#!/bin/sh
# Boots systemd in a copy of this machine that is forgotten at its end, and runs a script there as its one service: FOLDER/inside.sh, whose
# output is in FOLDER/out. FOLDER is /given there; whole.deb in it, if there is one, is installed before. The network is the caller's. Whoever
# wants to enter finds the number of its process 1 in FOLDER/pid.
# Usage: unshare --mount [--net] sh systemd.sh FOLDER
set -eu
given=$1
base=$(mktemp -d /tmp/pointsman-systemd-XXXXXX)
mount -t tmpfs -o size=1g base "$base"
mkdir "$base/upper" "$base/work" "$base/root" "$base/cgroup"
# A control group of its own, in which systemd may make others; they outlive namespaces and are taken away at the end.
mount -t cgroup2 cgroup "$base/cgroup"
group=$base/cgroup/pointsman-$$
mkdir "$group"
trap 'cd /; echo 0 >"$base/cgroup/cgroup.procs"; find "$group" -depth -type d -exec rmdir {} +; umount -l "$base"; rmdir "$base"' EXIT
echo 0 >"$group/cgroup.procs"

mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
cd "$base/root"
mkdir -p given
mount --bind "$given" given
# Of the machine that this is a copy of nothing is mounted, enabled or set: kernel and devices are shared with it.
: >etc/fstab
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
for shared in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-binfmt systemd-random-seed; do
  ln -sf /dev/null "etc/systemd/system/$shared.service"
done
[ ! -e given/whole.deb ] || env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
  chroot . dpkg --force-unsafe-io --no-triggers -i /given/whole.deb >/dev/null
# A machine that builds images forbids its packages to start anything.
rm -f usr/sbin/policy-rc.d
echo 00000000000000000000000000000001 >etc/machine-id
cat >etc/systemd/system/try.service <<'END'
[Unit]
DefaultDependencies=no
Requires=sysinit.target
After=sysinit.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh /given/inside.sh
StandardOutput=file:/given/out
StandardError=inherit
TimeoutStartSec=infinity
END
setpriv --pdeathsig KILL unshare --pid --ipc --uts --cgroup --fork --kill-child sh -euc '
  # The /proc of the caller still: it tells the number that the caller knows this by.
  read -r pid rest </proc/self/stat
  echo "$pid" >given/pid
  mount -t proc proc proc
  mount -t sysfs sys sys
  mount -t cgroup2 cgroup sys/fs/cgroup
  mount -t tmpfs -o mode=755 dev dev
  for name in null zero full random urandom tty; do cp -a "/dev/$name" "dev/$name"; done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=666 pts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mount -t tmpfs shm dev/shm
  mount -t tmpfs run run
  mount -t tmpfs tmp tmp
  ip link set lo up
  exec chroot . env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=try.service --show-status=0 --log-target=null
' </dev/null
