"""nobody.py - commands as a user who owns nothing, whoever runs the tests"""
import os
import pwd
import subprocess

from .relay import PROGRAM, SLOW

NOBODY = pwd.getpwnam("nobody")


def as_nobody(*command, given=b""):
    change = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return subprocess.run([*change, "setpriv", f"--reuid={NOBODY.pw_uid}",
                           f"--regid={NOBODY.pw_gid}", "--clear-groups", *command], input=given,
                          capture_output=True, timeout=30 * SLOW, check=False)


def copy_of_program(place):
    """Where anybody can reach it."""
    path = os.path.join(place, "pinpost")
    with open(PROGRAM, "rb") as source, open(path, "wb") as copy:
        copy.write(source.read())
    os.chmod(path, 0o755)
    return path
