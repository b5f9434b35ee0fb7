"""Does operations on the ranges of files on a mounted file system, and prints what each gave: one line of JSON for each.

stdin: lines of JSON, {"file", "operations"} to run or {"file"} to tell of the extents; argument: the directory.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import struct
import sys

PAGE = 4096
MODES = {"allocate": 0, "keep-size": 1, "punch-hole": 3, "collapse-range": 8, "zero-range": 16, "zero-range-keep-size": 17, "insert-range": 32}
FIEMAP = 0xC020660B
FLAGS = {
    0x1: "LAST", 0x2: "UNKNOWN", 0x4: "DELALLOC", 0x8: "ENCODED", 0x100: "NOT_ALIGNED", 0x200: "DATA_INLINE",
    0x800: "UNWRITTEN", 0x2000: "SHARED",
}
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def store_mapped(fd, op):
    """Never touches a page beyond the end of the file, which would end this program."""
    start = op["offset"] - op["offset"] % PAGE
    end = op["offset"] + op["length"]
    pages_end = -(-os.fstat(fd).st_size // PAGE) * PAGE
    stop = min(end, pages_end)
    if stop > op["offset"]:
        address = libc.mmap(None, end - start, 3, 1, fd, start)
        ctypes.memset(address + op["offset"] - start, op["fill"], stop - op["offset"])
        libc.munmap(address, end - start)
    if end > pages_end:
        raise OSError(errno.EFAULT, "")


def sync_mapped(fd, op):
    address = libc.mmap(None, op["length"], 3, 1, fd, op["offset"])
    result = libc.msync(address, op["length"], 4)
    libc.munmap(address, op["length"])
    check(result)


def write_direct(path, op):
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, op["length"])
    buffer.write(bytes([op["fill"]]) * op["length"])
    try:
        os.pwritev(fd, [buffer], op["offset"])
    finally:
        os.close(fd)


def do(path, fd, op):
    kind = op["kind"]
    if kind == "write":
        os.pwrite(fd, bytes([op["fill"]]) * op["length"], op["offset"])
    elif kind == "direct":
        write_direct(path, op)
    elif kind == "map":
        store_mapped(fd, op)
    elif kind == "msync":
        sync_mapped(fd, op)
    elif kind == "fallocate":
        check(libc.fallocate(fd, MODES[op["mode"]], op["offset"], op["length"]))
    elif kind == "truncate":
        os.truncate(path, op["size"])
    elif kind == "fsync":
        os.fsync(fd)
    else:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def seek_map(fd):
    ranges = []
    at = 0
    while True:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return ranges
        at = os.lseek(fd, start, os.SEEK_HOLE)
        ranges.append([start, at])


def fiemap(fd):
    count = 1000
    request = bytearray(32 + 56 * count)
    struct.pack_into("=QQLLLL", request, 0, 0, 2**64 - 1, 0, 0, count, 0)
    fcntl.ioctl(fd, FIEMAP, request)
    extents = []
    for index in range(struct.unpack_from("=L", request, 20)[0]):
        logical, physical, length, _, _, flags = struct.unpack_from("=QQQQQL", request, 32 + 56 * index)
        names = [name for bit, name in FLAGS.items() if flags & bit]
        extents.append({"logical": logical, "physical": physical, "length": length, "flags": names})
    return extents


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def run(path, operations):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    steps = []
    for op in operations:
        try:
            do(path, fd, op)
            outcome = "ok"
        except OSError as error:
            outcome = errno.errorcode[error.errno]
        steps.append({"outcome": outcome, "size": os.fstat(fd).st_size, "data": seek_map(fd), "blocks": os.fstat(fd).st_blocks})
    os.close(fd)
    return {"steps": steps, "sha256": digest(path)}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        path = os.path.join(sys.argv[1], request["file"])
        if "operations" in request:
            answer = run(path, request["operations"])
        else:
            fd = os.open(path, os.O_RDONLY)
            answer = {"extents": fiemap(fd), "data": seek_map(fd), "sha256": digest(path)}
            os.close(fd)
        print(json.dumps(answer), flush=True)


main()
