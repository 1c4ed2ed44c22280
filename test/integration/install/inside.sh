# Runs where systemd.sh has booted; what it prints is looked at by the test.
# Waits for a line of the script; a minute at the most.
await() { for _ in $(seq 300); do grep -qs "$1" /var/lib/pointsman/said && return; sleep 0.2; done; echo "no $1"; }
# Waits until a property of the unit has a value; half a minute at the most.
turns() { for _ in $(seq 150); do [ "$(show "$1")" = "$2" ] && return; sleep 0.2; done; echo "$1 is never $2"; }
show() { systemctl show --property="$1" --value pointsman.service; }

# The daemon as it is installed: on a kernel without IPVS it ends with the exit code for that, and no other reason to.
mkdir -p /var/lib/pointsman; touch /var/lib/pointsman/left-by-root
systemctl start pointsman.service 2>/dev/null
echo "daemon: $(show ActiveState) $(show ExecMainStatus)"
systemctl stop pointsman.service
systemctl reset-failed pointsman.service

# After trouble with its disk a file system is to be read only: that keeps the unit from nothing.
mount --bind /var/lib/pointsman /var/lib/pointsman; mount -o remount,bind,ro /var/lib/pointsman
systemctl start pointsman.service 2>/dev/null
echo "read only: $(show ActiveState) $(show ExecMainStatus)"
systemctl stop pointsman.service; umount /var/lib/pointsman
systemctl reset-failed pointsman.service

# In its place a script that tries what the daemon does and must not do, and then waits for signals.
mkdir -p /etc/systemd/system/pointsman.service.d
cat >/etc/systemd/system/pointsman.service.d/try.conf <<'END'
[Service]
Type=exec
ExecStart=
ExecStart=/bin/sh /opt/try.sh start --config /etc/pointsman/pointsman.yaml --shadow
END
cat >/opt/try.sh <<'END'
[ "$1" = start ] || exec /usr/bin/pointsman "$@"
exec >/var/lib/pointsman/said 2>/dev/null
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "user: $(id -un)"
grep -E '^Cap(Eff|Bnd)|^NoNewPrivs' /proc/self/status | tr -s '\t ' ' '
ip address add 198.18.9.9/32 dev lo && echo "may: addresses"
nft add table ip pointsman_try && echo "may: nft"
echo 1 >/proc/sys/net/ipv4/ip_forward && echo "may: sysctls of the network"
true >/var/lib/pointsman/left-by-root && echo "may: what root left in the state directory"
node=/usr/lib/pointsman/node
$node -e 'process.exit(0)' && echo "may: Node"
$node --input-type=module -e '
  import koffi from "/usr/lib/pointsman/node_modules/koffi/index.js"
  const socket = koffi.load(null).func("int socket(int, int, int)")
  // AF_PACKET, SOCK_RAW; AF_NETLINK, SOCK_RAW, NETLINK_GENERIC; AF_BLUETOOTH
  for (const [name, ...numbers] of [["packet", 17, 3, 0], ["netlink", 16, 3, 16], ["bluetooth", 31, 3, 0]])
    if (socket(...numbers) >= 0) console.log("may: sockets of " + name)'
flock --timeout 5 /run/xtables.lock true && echo "may: take the lock of xtables"
true >/var/log/pointsman/try && echo "may: write logs"
true >/etc/pointsman/other && echo "may: write configuration"
cat /etc/shadow >/dev/null && echo "may: read shadow"
echo 1 >/proc/sys/kernel/sysrq && echo "may: other sysctls"
unshare --net true && echo "may: namespaces"
echo ready
trap 'echo reloaded' HUP
trap 'echo "ended by SIGTERM" >>/var/log/pointsman/ends; exit' TERM
while :; do sleep 0.1; done
END
systemctl daemon-reload
systemctl start pointsman.service
await ready
systemctl reload pointsman.service && echo "reload of a valid file: done"
await reloaded
echo 'services: [' >/etc/pointsman/pointsman.yaml
systemctl reload pointsman.service 2>/dev/null || echo "reload of a file that is not valid: refused"
echo "then: $(show ActiveState), reloads: $(grep -c reloaded /var/lib/pointsman/said)"
cat /var/lib/pointsman/said

# Upgrades: what postinst does where the daemon runs, or not. Whether the daemon is ended by a signal that it sees is in the file of ends.
export DPKG_MAINTSCRIPT_PACKAGE=pointsman DPKG_MAINTSCRIPT_NAME=postinst
upgrade() {
  before=$(show MainPID)
  /var/lib/dpkg/info/pointsman.postinst configure 0.1.0-1 2>/tmp/words
  after=$(show MainPID)
  echo "$1: $(show ActiveState), $([ "$before" = "$after" ] && echo the same || echo another)$(grep -o 'new version refuses the configuration\|is a disabled' /tmp/words | sed 's/^/, /')"
}
drop_in() { cat >/etc/systemd/system/pointsman.service.d/upgrade.conf; systemctl daemon-reload; }
good() { printf 'global: { "on_exit" : "drain" }\nservices: []\n' >"${1:-/etc/pointsman/pointsman.yaml}"; }
rm -f /var/log/pointsman/ends
upgrade 'upgrade to one that refuses the file'
good; rm /var/lib/pointsman/said; upgrade 'upgrade of a good file'
# When it is ready it would tell of a SIGTERM.
await ready
systemctl stop pointsman.service; cat /var/log/pointsman/ends; rm /var/log/pointsman/ends

good /etc/pointsman/other.yaml; echo 'services: [' >/etc/pointsman/pointsman.yaml; echo POINTSMAN_ON_EXIT=drain >/etc/pointsman/env
drop_in <<'END'
[Service]
EnvironmentFile=/etc/pointsman/env
ExecStart=
ExecStart=/bin/sh /opt/try.sh start --config /etc/pointsman/other.yaml
END
systemctl start pointsman.service
upgrade 'upgrade of another file'
echo POINTSMAN_ON_EXIT=nonsense >/etc/pointsman/env
upgrade 'upgrade with a variable that it refuses'
rm /etc/pointsman/env; systemctl stop pointsman.service

good
drop_in <<'END'
[Unit]
StartLimitIntervalSec=1h
StartLimitBurst=1
[Service]
Restart=no
END
systemctl reset-failed pointsman.service; systemctl start pointsman.service
upgrade 'upgrade where nothing starts it again'
systemctl kill --signal=KILL pointsman.service; turns ActiveState failed
rm /etc/systemd/system/pointsman.service.d/upgrade.conf; systemctl daemon-reload
upgrade 'upgrade of one that has failed'

drop_in <<'END'
[Service]
ExecStart=
ExecStart=/bin/false
RestartSec=1h
END
systemctl kill --signal=KILL pointsman.service; turns SubState auto-restart
upgrade 'upgrade of one that is about to be tried again'
rm /etc/systemd/system/pointsman.service.d/upgrade.conf; systemctl daemon-reload
systemctl stop pointsman.service
upgrade 'upgrade of one that was stopped'
systemctl stop pointsman.service
systemctl --quiet disable pointsman.service 2>/dev/null
upgrade 'upgrade of one that is disabled'
exit 0
