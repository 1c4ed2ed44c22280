/** The two scripts between the kernel and the agent. */

/**
 * Process 1 in the initramfs: mounts the host's root over 9p, read-only, under an overlay whose upper layer is memory, and
 * goes on there. Told by the kernel command line: `lab.dir` (run folder) or `lab.probe=1` (say hello and power off).
 */
export const initScript = `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs dev /dev
for argument in $($B cat /proc/cmdline); do
  case $argument in lab.*) eval "\${argument#lab.}" ;; esac
done
if [ -n "$probe" ]; then
  echo LAB-PROBE-WORKS
  echo o >/proc/sysrq-trigger
  $B sleep 60
fi
for module in $($B cat /mods/order); do $B insmod "/mods/$module"; done
# The host's files are not expected to change while the lab runs: cached.
nine=trans=virtio,version=9p2000.L,ro,msize=524288
$B mount -t 9p -o $nine,cache=loose host /host || { echo "LAB-FAILED: cannot mount the host's root"; $B sleep 60; }
$B mount -t tmpfs -o size=80% tmpfs /rw
$B mkdir /rw/upper /rw/work
$B mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work overlay /newroot
$B mount -t tmpfs -o mode=755 run /newroot/run
$B mkdir -p /newroot/run/lab /newroot/run/netns
# The checkout does change: an extra mount without cache, so that a lab kept up sees edits at once.
if [ -n "$checkout" ]; then
  $B mount -t 9p -o $nine,cache=none checkout "/newroot$checkout"
  [ -d "/host$checkout/node_modules" ] && $B mount --bind "/host$checkout/node_modules" "/newroot$checkout/node_modules"
fi
for name in proc sys dev; do $B mount --move /$name /newroot/$name; done
# Programs of the host are slow to start for the first time, busybox is here already.
$B cp $B /newroot/run/lab/busybox
exec $B switch_root /newroot /run/lab/busybox sh "$dir/stage2.sh"
`

export interface Stage2 {
  readonly runDir: string
  readonly checkout: string
  readonly node: string
  readonly modules: string
  readonly release: string
  /** To be taken into memory. */
  readonly hotFiles: readonly string[]
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Where scripts bundled for the guest are put; koffi is found from there. */
export const guestScripts = '/run/lab/scripts'

function environment(stage: Stage2, busybox: string): string {
  return `export PATH=${quote(stage.checkout)}/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=dumb NODE_COMPILE_CACHE=/run/lab/compile-cache UV_THREADPOOL_SIZE=6
${busybox}mkdir -p ${guestScripts}
${busybox}ln -sfn ${quote(stage.checkout)}/node_modules ${guestScripts}/node_modules
${busybox}ip link set lo up
`
}

/** Process 1 in the virtual machine's final root. It stays to reap orphans; when the agent ends, the machine does. */
export function vmStage2(stage: Stage2): string {
  return `#!/run/lab/busybox sh
B=/run/lab/busybox
$B mkdir -p /dev/pts /dev/shm /lib/modules/${stage.release}
$B mount -t devpts devpts /dev/pts
$B mount -t tmpfs shm /dev/shm
$B mount -o bind ${quote(stage.modules)} /lib/modules/${stage.release}
echo lab >/proc/sys/kernel/hostname
for port in /sys/class/virtio-ports/*; do
  read -r name <"$port/name"
  [ "$name" = lab ] && device=/dev/\${port##*/}
done
${environment(stage, '$B ')}# A changed time makes the overlay copy the file to its upper layer.
$B touch -c ${stage.hotFiles.map(quote).join(' ')} &
cd /
${quote(stage.node)} ${quote(stage.runDir)}/agent.mjs --port "$device" &
agent=$!
wait $agent
echo o >/proc/sysrq-trigger
$B sleep 60
`
}

/** The first process of the private namespaces on the machine's own kernel. */
export function hostStage2(stage: Stage2): string {
  return `#!/bin/sh
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lab /run/netns
mount --make-shared /run
${environment(stage, '')}cd /
${quote(stage.node)} ${quote(stage.runDir)}/agent.mjs --socket ${quote(stage.runDir)}/channel.sock &
wait $!
`
}
