#!/bin/sh
# Runs a container engine in the lab, in the network namespace of the caller: there it makes its links and filters. Processes and mounts are its own,
# and end with it. Finds dockerd, containerd, runc and iptables in PATH, the libraries they need in ENGINE_LIBRARIES.
# Usage: container-engine.sh FOLDER STORE    (where it lives, and the images that it has from the start)
exec unshare --mount --pid --fork --kill-child --mount-proc sh -euc '
  folder=$1 store=$2
  mkdir -p "$folder/data"
  mount -t tmpfs -o size=60% engine "$folder/data"
  tar --extract --file "$store" --directory "$folder/data" --xattrs "--xattrs-include=*"
  mount -t cgroup2 cgroup /sys/fs/cgroup
  echo "{}" >"$folder/daemon.json"
  echo "version = 2" >"$folder/containerd.toml"
  with="env LD_LIBRARY_PATH=$ENGINE_LIBRARIES"
  # dockerd would start it, and give up after fifteen seconds, which an emulated processor may need.
  $with containerd --config "$folder/containerd.toml" --address "$folder/containerd.sock" --root "$folder/data/containerd" --state "$folder/containerd" &
  while [ ! -S "$folder/containerd.sock" ]; do kill -0 $!; sleep 1; done
  exec $with dockerd --config-file "$folder/daemon.json" --host "unix://$folder/docker.sock" --containerd "$folder/containerd.sock" \
    --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /pointsman-engine
' engine "$1" "$2"
