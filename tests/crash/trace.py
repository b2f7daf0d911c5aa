# SPDX-License-Identifier: Apache-2.0
"""Reads what strace wrote (-f -y -xx): calls that touch files below one folder, and the journal on standard output.

events(path, folder) yields ("enter" | "exit", call): a call that strace shows in one line gives both at once. What is
promised counts from the entry of its write, what reached a file from the exit."""
import re

# Every call by which a file below the folder could change; a call that the model does not know ends the run.
CALLS = (
    "openat,creat,write,writev,pwrite64,pwritev,pwritev2,lseek,fsync,fdatasync,ftruncate,truncate,fallocate,rename,"
    "renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,sync_file_range,msync,sync,"
    "syncfs,close,dup,dup2,dup3,mmap,copy_file_range,sendfile,splice,io_uring_setup"
)
STRACE = ["strace", "-f", "-y", "-xx", "-s", "2000000", "-e", "trace=" + CALLS, "-e", "signal=none"]

LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$", re.S)
FD = re.compile(r"^(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2})*)>)?(?:\(deleted\))?")
RESULT = re.compile(r"^(.*)\) += (\S+)", re.S)
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
IOV = re.compile(r'iov_base="((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Call:
    """One system call. fd, path (of the fd), texts (quoted arguments), args (the rest, split), result."""

    def __init__(self, pid, name, text):
        self.pid, self.name, self.text, self.result = pid, name, text, None
        self.fds = []

    def read_arguments(self):
        pattern = IOV if self.name in ("writev", "pwritev", "pwritev2") else TEXT
        found = pattern.findall(self.text)
        if any(dots for _, dots in found):
            raise SystemExit(f"strace cut the data of {self.name}: raise -s")
        self.texts = [unhex(hexed) for hexed, _ in found]
        bare = TEXT.sub('""', self.text)
        self.args = [part.strip() for part in bare.split(",")]
        self.fds = [self.read_fd(part) for part in self.args]
        self.fd, self.path = self.fds[0] if self.fds else (None, None)

    @staticmethod
    def read_fd(part):
        match = FD.match(part)
        if not match:
            return None, None
        path = unhex(match.group(2)).decode("utf-8", "replace") if match.group(2) else None
        return match.group(1), path

    def number(self, index):
        return int(self.args[index], 0)

    def flags(self):
        return set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", self.text))


def split_result(text):
    return RESULT.match(text).groups()


def events(path, folder):
    marks = ("".join(f"\\x{byte:02x}" for byte in folder.encode()), "write(1<", "io_uring_setup", " sync(")
    waiting = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            pid, resumed, name, rest = match.groups()
            if resumed:
                call = waiting.pop(pid, None)
                if call is not None:
                    call.text, call.result = split_result(call.text + rest)
                    call.read_arguments()
                    yield "exit", call
                continue
            if not any(mark in rest or mark in f" {name}({rest[:8]}" for mark in marks):
                continue
            call = Call(pid, name, rest)
            if rest.endswith("<unfinished ...>"):
                call.text = rest[: -len("<unfinished ...>")].rstrip()
                waiting[pid] = call
                call.read_arguments()
                yield "enter", call
                continue
            call.text, call.result = split_result(rest)
            call.read_arguments()
            yield "enter", call
            yield "exit", call
