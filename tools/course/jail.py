"""The first process of a sandbox: builds what the student's process will see, takes all power from it, starts it and waits for it.

``sandbox.py`` starts this file in new namespaces (mount, pid, network, ipc, host name; of users too if it is not started by
root). It needs the standard library and Linux 5.14. What a student's code can reach stands in ``build`` and ``drop``.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# <sys/mount.h>, <linux/mount.h>, <linux/prctl.h>, <sched.h>
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, DETACH = 2, 4, 8, 4096, 16384, 2
ATTR_RDONLY, ATTR_NOSUID, AT_FDCWD, AT_RECURSIVE = 1, 2, -100, 0x8000
SYS_MOUNT_SETATTR = 442  # the same number on every architecture
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SET_DUMPABLE, CAPBSET_DROP, SET_NO_NEW_PRIVS = 4, 24, 38
NEWUSER = 0x10000000
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str | Path, kind: str | None, flags: int, options: str = "") -> None:
    names = [None if one is None else one.encode() for one in (source, str(target), kind)]
    must(libc.mount(*names, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def read_only(root: Path) -> None:
    """Every mount below ``root``, read-only."""
    attributes = (ctypes.c_uint64 * 4)(ATTR_RDONLY | ATTR_NOSUID, 0, 0, 0)
    must(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, str(root).encode(), AT_RECURSIVE, attributes, 32), "mount_setattr")


def build(plan: dict[str, Any]) -> None:
    """A new root: the ``binds`` and ``links`` of the plan and a few devices, all read-only, and a private ``/student`` of ``disk``
    bytes, which is all that can be written to but for a quarter of that at ``/dev/shm``."""
    root = Path(plan["root"])
    mount("tmpfs", root, "tmpfs", NOSUID | NODEV, "size=1m,mode=755")
    for path in [*plan["binds"], *(f"/dev/{name}" for name in DEVICES)]:
        place = root / path.lstrip("/")
        if os.path.isdir(path):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        mount(path, place, None, BIND | RECURSIVE)
    for path, target in plan["links"].items():
        (root / path.lstrip("/")).symlink_to(target)
    for name in ("proc", "student", "dev/shm"):
        (root / name).mkdir(parents=True)
    read_only(root)
    mount("proc", root / "proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("tmpfs", root / "student", "tmpfs", NOSUID | NODEV, f"size={plan['disk']},mode=1777")
    mount("tmpfs", root / "dev/shm", "tmpfs", NOSUID | NODEV | NOEXEC, f"size={plan['disk'] // 4},mode=1777")
    os.chdir(root)
    must(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    must(libc.umount2(b".", DETACH), "umount")  # the old root, which lies upon the new one


def drop(uid: int | None) -> None:
    """No capability, no way to one, and no new user namespace, in which one could be had.

    Args:
        uid: of the machine, for a process that root started. A process of somebody else stays what it is, seen as root from inside.
    """
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        must(libc.prctl(SET_DUMPABLE, 1, 0, 0, 0), "prctl")  # or /proc/self would belong to root
    outside = (os.getuid(), os.getgid())
    must(libc.unshare(NEWUSER), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {outside[0]} 1"), ("gid_map", f"0 {outside[1]} 1")):
        Path("/proc/self", name).write_text(text)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    for capability in range(64):
        if libc.prctl(CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # the first that this kernel does not know
    must(libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def limit(limits: dict[str, int]) -> None:
    """Resource limits of each process, named as in :mod:`resource`; none of them can be raised again."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def wait(child: int, seconds: float) -> int:
    """Until the student's process ends, the grader closes the pipe or dies, or the time is over. Returns an exit code.

    What this process leaves behind ends with it: it is number 1 of its namespace.
    """
    poll = select.poll()
    poll.register(os.pidfd_open(child), select.POLLIN)
    poll.register(0, 0)  # tells of the other end's being closed, and reads nothing
    poll.poll(seconds * 1000)
    done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        return 124
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def main() -> None:
    plan = json.loads(sys.argv[1])
    if plan["root"]:
        build(plan)
    os.chdir(plan["folder"])
    child = os.fork()
    if child == 0:
        os.setsid()
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory is short, this goes first
        limit(plan["limits"])
        if plan["root"]:
            drop(plan["uid"])
        os.makedirs(plan["environment"]["TMPDIR"], exist_ok=True)
        os.execve(plan["command"][0], plan["command"], plan["environment"])
    os.close(1)
    must(libc.prctl(SET_DUMPABLE, 0, 0, 0, 0), "prctl")  # so that the child, which may be of the same user, cannot stop it
    code = wait(child, plan["seconds"])
    with suppress(ProcessLookupError):  # without namespaces this is all that ends what a cell has started
        os.killpg(child, signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    main()
