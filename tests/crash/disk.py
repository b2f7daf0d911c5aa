# SPDX-License-Identifier: Apache-2.0
"""A file system below one folder as its calls made it, with what a power failure may leave of it.

A write is in the page cache until the file is synced; then every version of a page since the last sync is one that the
disk may hold. A name is on the disk when its folder was synced. Nothing else is promised: what POSIX permits, not what
one file system happens to do."""
import os

PAGE = 4096
SECTOR = 512


class Unseen(Exception):
    """A change that the recording cannot show: the model would lie."""


class Inode:
    def __init__(self, is_folder=False):
        self.is_folder = is_folder
        self.pages, self.size = {}, 0  # as programs see it
        self.disk, self.disk_size = {}, 0  # as the disk has it
        self.pending = {}  # page -> versions since it was on the disk
        self.is_synced_once = False

    def write(self, offset, data):
        end = offset + len(data)
        while offset < end:
            page, start = divmod(offset, PAGE)
            count = min(PAGE - start, end - offset)
            old = self.pages.get(page, bytes(PAGE))
            new = old[:start] + data[:count] + old[start + count :]
            self.pages[page] = new
            self.pending.setdefault(page, []).append(new)
            data, offset = data[count:], offset + count
        self.size = max(self.size, end)

    def resize(self, size):
        if size < self.size:
            for page in [p for p in self.pages if p * PAGE >= size]:
                del self.pages[page]
                self.pending.setdefault(page, []).append(bytes(PAGE))
            if size % PAGE and size // PAGE in self.pages:
                keep = self.pages[size // PAGE][: size % PAGE]
                self.pages[size // PAGE] = keep + bytes(PAGE - len(keep))
                self.pending.setdefault(size // PAGE, []).append(self.pages[size // PAGE])
        self.size = size

    def state(self):
        """What a sync that begins now will have put on the disk when it ends."""
        return {page: self.pages.get(page, bytes(PAGE)) for page in self.pending}, self.size

    def settle(self, state):
        pages, size = state
        for page, content in pages.items():
            self.disk[page] = content
            versions = self.pending.get(page, [])
            while versions and versions.pop(0) is not content:
                pass
            if not versions:
                self.pending.pop(page, None)
        self.disk_size = size
        self.is_synced_once = True


class Disk:
    def __init__(self, folder, ignores_syncs=False):
        self.folder = folder
        self.ignores_syncs = ignores_syncs  # the control: a disk that lies
        self.names = {folder: Inode(True)}  # as programs see it
        self.disk_names = dict(self.names)
        self.pending_names = []  # (parent, path, inode or None), in order
        self.handles = {}  # fd -> [inode, position, flags]
        self.unseen = set()  # paths that are mapped for writing
        self.syncs = 0
        self.under_way = {}  # id(call) -> what its sync covers

    # ---- names

    def name(self, path, inode):
        if inode is None:
            self.names.pop(path, None)
        else:
            self.names[path] = inode
        self.pending_names.append((os.path.dirname(path), path, inode))

    @staticmethod
    def apply_names(names, changes):
        for _, path, inode in changes:
            if inode is None:
                names.pop(path, None)
            else:
                names[path] = inode

    def place(self, call, fd_index, text_index):
        base = call.fds[fd_index][1] or "/"
        return os.path.normpath(os.path.join(base, call.texts[text_index].decode()))

    def is_ours(self, path):
        return path is not None and (path == self.folder or path.startswith(self.folder + "/"))

    # ---- calls

    def enter(self, call):
        if call.name in ("fsync", "fdatasync") and not self.ignores_syncs:
            inode = self.names.get(call.path)
            if inode is not None and inode.is_folder:
                self.under_way[id(call)] = [c for c in self.pending_names if c[0] == call.path]
            elif inode is not None:
                self.under_way[id(call)] = inode.state()

    def exit(self, call):
        if call.result.startswith("-") or call.result == "?":
            self.under_way.pop(id(call), None)
            return
        getattr(self, "do_" + call.name, self.do_unknown)(call)

    def do_unknown(self, call):
        raise Unseen(f"{call.name}({call.text[:200]})")

    def do_openat(self, call):
        path, flags = self.place(call, 0, 0), call.flags()
        if not self.is_ours(path):
            self.handles.pop(call.result.split("<")[0], None)
            return
        inode = self.names.get(path)
        if inode is None:
            inode = Inode()
            self.name(path, inode)
        elif "O_TRUNC" in flags:
            inode.resize(0)
        self.handles[call.result.split("<")[0]] = [inode, 0, flags]

    def do_close(self, call):
        self.handles.pop(call.fd, None)

    def put(self, call, offset, data):
        inode, _, flags = self.handles[call.fd]
        if offset is None:
            offset = inode.size if "O_APPEND" in flags else self.handles[call.fd][1]
            self.handles[call.fd][1] = offset + len(data)
        before = inode.size
        inode.write(offset, data)
        if flags & {"O_DSYNC", "O_SYNC"} and not self.ignores_syncs:
            pages = range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1)
            size = inode.size if inode.size > before else inode.disk_size
            inode.settle(({page: inode.pages[page] for page in pages}, max(size, inode.disk_size)))
            self.syncs += 1

    def do_write(self, call):
        if call.fd in self.handles:
            self.put(call, None, call.texts[0][: int(call.result)])

    def do_pwrite64(self, call):
        self.put(call, call.number(-1), call.texts[0][: int(call.result)])

    def do_writev(self, call):
        if call.fd in self.handles:
            self.put(call, None, b"".join(call.texts)[: int(call.result)])

    def do_pwritev(self, call):
        self.put(call, call.number(-1), b"".join(call.texts)[: int(call.result)])

    def do_lseek(self, call):
        if call.fd in self.handles:
            self.handles[call.fd][1] = int(call.result)

    def do_fsync(self, call):
        self.syncs += 1
        covered = self.under_way.pop(id(call), None)
        if covered is None:
            return
        if isinstance(covered, list):
            self.apply_names(self.disk_names, covered)
            self.pending_names = [c for c in self.pending_names if c not in covered]
        else:
            self.names_of(call.path).settle(covered)

    do_fdatasync = do_fsync

    def names_of(self, path):
        return self.names.get(path) or Inode()

    def do_ftruncate(self, call):
        self.names_of(call.path).resize(call.number(1))

    def do_fallocate(self, call):
        inode = self.names_of(call.path)
        if call.args[1] == "0":
            inode.size = max(inode.size, call.number(2) + call.number(3))
        elif "FALLOC_FL_KEEP_SIZE" not in call.args[1]:
            self.do_unknown(call)

    def do_mkdir(self, call):
        path = call.texts[0].decode()
        if self.is_ours(path):
            self.name(path, Inode(True))

    def do_mkdirat(self, call):
        self.name(self.place(call, 0, 0), Inode(True))

    def do_unlink(self, call):
        if self.is_ours(call.texts[0].decode()):
            self.name(call.texts[0].decode(), None)

    do_rmdir = do_unlink

    def do_unlinkat(self, call):
        self.name(self.place(call, 0, 0), None)

    def move(self, old, new):
        inode = self.names.get(old)
        if inode is None or inode.is_folder:
            raise Unseen(f"rename of {old}")
        self.name(new, inode)
        self.name(old, None)

    def do_rename(self, call):
        self.move(call.texts[0].decode(), call.texts[1].decode())

    def do_renameat(self, call):
        self.move(self.place(call, 0, 0), self.place(call, 2, 1))

    do_renameat2 = do_renameat

    def do_linkat(self, call):
        inode = self.names.get(self.place(call, 0, 0))
        if inode is None:
            raise Unseen(call.text[:200])
        self.name(self.place(call, 2, 1), inode)

    def do_mmap(self, call):
        path = call.fds[4][1] if len(call.fds) > 4 else None
        if self.is_ours(path) and "MAP_SHARED" in call.text and "PROT_WRITE" in call.text:
            if not path.endswith(("-shm", "/lock.mdb", "-lock")):
                raise Unseen(f"{path} is mapped for writing")
            self.unseen.add(path)

    # ---- what a power failure leaves

    def image(self, mode, random):
        """{path: bytes or None for a folder}."""
        names = self.image_names(mode, random)
        found = {}
        for path, inode in sorted(names.items()):
            parent = os.path.dirname(path)
            if path in self.unseen or path == self.folder or (parent != self.folder and parent not in found):
                continue
            found[path] = None if inode.is_folder else self.image_content(inode, mode, random)
        return found

    def image_names(self, mode, random):
        if mode == "prefix":
            return self.names
        names = dict(self.disk_names)
        if mode == "synced":  # a file system that keeps the new name of a synced file, as ext4 does
            changes = [c for c in self.pending_names if c[2] is not None and (c[2].is_folder or c[2].is_synced_once)]
            self.apply_names(names, [c for c in changes if c[1] not in names])
        elif mode in ("blocks", "sectors"):
            self.apply_names(names, self.pending_names[: random.randint(0, len(self.pending_names))])
        return names

    def image_content(self, inode, mode, random):
        if mode == "prefix":
            return join(inode.pages, inode.size)
        pages, size = dict(inode.disk), inode.disk_size
        if mode in ("blocks", "sectors"):
            low, high = sorted((inode.disk_size, inode.size))
            size = random.choice([low, high, random.randint(low, high)])
            for page, versions in inode.pending.items():
                choices = [inode.disk.get(page, bytes(PAGE)), *versions]
                pages[page] = torn(choices, random) if mode == "sectors" else random.choice(choices)
        return join(pages, size)


def torn(choices, random):
    return b"".join(random.choice(choices)[at : at + SECTOR] for at in range(0, PAGE, SECTOR))


def join(pages, size):
    content = bytearray(size)
    for page, data in pages.items():
        if page * PAGE < size:
            end = min(size, (page + 1) * PAGE)
            content[page * PAGE : end] = data[: end - page * PAGE]
    return bytes(content)
