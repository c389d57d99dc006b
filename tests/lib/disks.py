"""disks.py - loop devices and small file systems for a test, gone afterwards

Job:      a block device over a file, a file system of few bytes; both need root, and say so.
Not here: what is kept on them (the tests).
"""
import fcntl
import os
import stat
import subprocess

LOOP_CONTROL = "/dev/loop-control"
LOOP_CTL_GET_FREE = 0x4C82


class Disks:
    """Beside Case: what a test attached or mounted is detached at its end, by its name, once."""

    def run_as_root(self, *command):
        self.assertEqual(os.geteuid(), 0, f"{command[0]} needs root: run this test as root")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def make_loop_nodes(self):
        """A bare /dev has none: the kernel's next free loop device gets its name."""
        self.assertEqual(os.geteuid(), 0, "loop devices need root: run this test as root")
        if not os.path.exists(LOOP_CONTROL):
            os.mknod(LOOP_CONTROL, stat.S_IFCHR | 0o660, os.makedev(10, 237))
        control = os.open(LOOP_CONTROL, os.O_RDWR)
        number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        os.close(control)
        if not os.path.exists(f"/dev/loop{number}"):
            os.mknod(f"/dev/loop{number}", stat.S_IFBLK | 0o660, os.makedev(7, number))

    def loop(self, path, sector=512):
        """A loop device over a file; its page cache is its own."""
        self.make_loop_nodes()
        device = self.run_as_root("losetup", "--find", "--show", "--sector-size", str(sector), path)
        # A name that was given back may be another test's by now.
        self.attached = getattr(self, "attached", set()) | {device}
        self.addCleanup(self.unloop, device)
        return device

    def unloop(self, device):
        if device in self.attached:
            self.attached.remove(device)
            self.run_as_root("losetup", "--detach", device)

    def small_file_system(self, size):
        """Its directory."""
        place = os.path.join(self.place, f"files{len(os.listdir(self.place))}")
        os.mkdir(place)
        self.run_as_root("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
        self.addCleanup(self.run_as_root, "umount", "--lazy", place)
        return place
