#!/bin/sh
# Runs a container engine that outlives nobody: when file descriptor 3 ends (the test run is over, or died in whatever way),
# all of it is killed. The engine has process, mount and network namespaces of its own, so that its containers, mounts, bridges
# and its settings of the kernel's network end with it; one cable leads out, to the addresses below.
# Finds dockerd, containerd and runc in PATH, and the libraries they need in ENGINE_LIBRARIES.
# Usage: engine.sh FOLDER INTERFACE OUTER_ADDRESS INNER_ADDRESS    (addresses of one /30)
dir=$1 interface=$2 outer=$3 inner=$4
trap '' INT TERM HUP PIPE
exec 9</proc/self/ns/net
setpriv --pdeathsig KILL unshare --mount --pid --net --fork --kill-child --mount-proc sh -euc '
  dir=$1 interface=$2 outer=$3 inner=$4
  ip link set lo up
  ip link add outside type veth peer name "$interface" netns /proc/self/fd/9
  ip addr add "$inner/30" dev outside
  ip link set outside up
  nsenter --net=/proc/self/fd/9 ip addr add "$outer/30" dev "$interface"
  nsenter --net=/proc/self/fd/9 ip link set "$interface" up
  exec 9<&-
  mount -t tmpfs -o size=2g engine "$dir/inside"
  exec env LD_LIBRARY_PATH="$ENGINE_LIBRARIES" dockerd --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" \
    --data-root "$dir/inside/data" --exec-root "$dir/inside/exec" --pidfile "$dir/inside/pid" \
    --iptables=false --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$interface"
' engine "$dir" "$interface" "$outer" "$inner" </dev/null 3<&- >"$dir/log" 2>&1 &
engine=$!
(
  exec 9<&-
  cat <&3 >/dev/null
  kill -KILL "$engine" 2>/dev/null
) &
wait "$engine"
# The engine may still be read about in the log.
echo ended >"$dir/ended"
wait
# Empty since everything in them is dead, but cgroups outlive namespaces. Again when the kernel has buried the last process.
for pause in 0 1; do
  sleep "$pause"
  find /sys/fs/cgroup -depth -type d -path "*/$interface*" -exec rmdir {} + 2>/dev/null
done
rm -rf "$dir"
