# Runs where systemd.sh has booted; what it prints is looked at by the test.
# Waits for a line of the script; a minute at the most.
await() { for _ in $(seq 300); do grep -qs "$1" /var/lib/pointsman/said && return; sleep 0.2; done; echo "no $1"; }
show() { systemctl show --property="$1" --value pointsman.service; }

# The daemon as it is installed: on a kernel without IPVS it ends with the exit code for that, and no other reason to.
mkdir -p /var/lib/pointsman; touch /var/lib/pointsman/left-by-root
systemctl start pointsman.service 2>/dev/null
echo "daemon: $(show ActiveState) $(show ExecMainStatus)"
systemctl stop pointsman.service
systemctl reset-failed pointsman.service

# In its place a script that tries what the daemon does and must not do, and then waits for signals.
mkdir -p /etc/systemd/system/pointsman.service.d
cat >/etc/systemd/system/pointsman.service.d/try.conf <<'END'
[Service]
Type=exec
ExecStart=
ExecStart=/bin/sh /opt/try.sh
END
cat >/opt/try.sh <<'END'
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
true >/var/log/pointsman/try && echo "may: write logs"
true >/etc/pointsman/other && echo "may: write configuration"
cat /etc/shadow >/dev/null && echo "may: read shadow"
echo 1 >/proc/sys/kernel/sysrq && echo "may: other sysctls"
unshare --net true && echo "may: namespaces"
echo ready
trap 'echo reloaded' HUP
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
systemctl stop pointsman.service
exit 0
