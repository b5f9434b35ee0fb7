"""
Runs cases of operations on names and attributes on a real file system, each in an empty directory that is its root.

    linux-names.py DIRECTORY < cases.json > outcomes.json

A case is a list of operations, an operation a list: its name and arguments. Text stands for bytes, one per character.
The outcome of an operation is `ok`, what it tells, or the errno. Needs root.
"""

import ctypes
import errno
import json
import os
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
handles = {}
AT_FDCWD = -100
O_TMPFILE = 0o20200000
KINDS = {stat.S_IFREG: 'file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symlink', stat.S_IFIFO: 'fifo',
         stat.S_IFSOCK: 'socket', stat.S_IFCHR: 'character', stat.S_IFBLK: 'block'}
TYPES = {kind: bits for bits, kind in KINDS.items()}
DIRENT_KINDS = {8: 'file', 4: 'directory', 10: 'symlink', 1: 'fifo', 12: 'socket', 2: 'character', 6: 'block'}
FLAGS = {'read': os.O_RDONLY, 'write': os.O_WRONLY, 'create': os.O_CREAT, 'exclusive': os.O_EXCL,
         'truncate': os.O_TRUNC, 'append': os.O_APPEND, 'noFollow': os.O_NOFOLLOW, 'directory': os.O_DIRECTORY,
         'tmpfile': O_TMPFILE}
CHATTR = {'sync': 0x8, 'immutable': 0x10, 'append': 0x20, 'nodump': 0x40, 'noatime': 0x80, 'compress': 0x4,
          'nocompress': 0x400, 'dirsync': 0x10000, 'nodatacow': 0x800000, 'journal': 0x4000, 'secure': 0x1}


def raw(text):
    return text.encode('latin-1')


def check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def target(name):
    """A handle `$x` or a path."""
    return handles[name] if name.startswith('$') else raw(name)


def path_of(name):
    return b'/proc/self/fd/%d' % handles[name] if name.startswith('$') else raw(name)


def show(status):
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    text = '%s %o links=%d %d:%d' % (kind, stat.S_IMODE(status.st_mode), status.st_nlink, status.st_uid, status.st_gid)
    text += ' size=%d blocks=%d' % (status.st_size, status.st_blocks)
    if kind in ('character', 'block'):
        text += ' device=%d:%d' % (os.major(status.st_rdev), os.minor(status.st_rdev))
    return text


def rename(old, new, flags):
    check(libc.renameat2(AT_FDCWD, raw(old), AT_FDCWD, raw(new), flags))


def setxattr(name, xattr, value, how):
    flags = (1 if 'create' in how else 0) | (2 if 'replace' in how else 0)
    data = value_of(value)
    if name.startswith('$'):
        check(libc.fsetxattr(handles[name], raw(xattr), data, len(data), flags))
        return
    call = libc.lsetxattr if 'noFollow' in how else libc.setxattr
    check(call(raw(name), raw(xattr), data, len(data), flags))


def value_of(value):
    if isinstance(value, int):
        return b'v' * value
    return acl_of(value[4:]) if value.startswith('acl:') else raw(value)


def acl_of(text):
    """`tag,permissions,id` joined by `;`."""
    data = struct.pack('<I', 2)
    for entry in text.split(';'):
        if entry:
            tag, permissions, who = entry.split(',')
            data += struct.pack('<HHI', int(tag), int(permissions), int(who) & 0xffffffff)
    return data


def show_value(value):
    if len(value) >= 4 and value[:4] == b'\x02\0\0\0' and len(value) % 8 == 4:
        entries = [struct.unpack_from('<HHI', value, at) for at in range(4, len(value), 8)]
        return 'acl:' + ';'.join('%d,%d,%d' % (t, p, i if i != 0xffffffff else -1) for t, p, i in entries)
    return value.decode('latin-1') if len(value) <= 40 else '%d bytes' % len(value)


def getxattr(name, xattr, follow):
    buffer = ctypes.create_string_buffer(70000)
    if name.startswith('$'):
        size = check(libc.fgetxattr(handles[name], raw(xattr), buffer, 70000))
    else:
        call = libc.getxattr if follow else libc.lgetxattr
        size = check(call(raw(name), raw(xattr), buffer, 70000))
    return show_value(buffer.raw[:size])


def listxattr(name, follow):
    buffer = ctypes.create_string_buffer(70000)
    if name.startswith('$'):
        size = check(libc.flistxattr(handles[name], buffer, 70000))
    else:
        call = libc.listxattr if follow else libc.llistxattr
        size = check(call(raw(name), buffer, 70000))
    return ' '.join(part.decode('latin-1') for part in buffer.raw[:size].split(b'\0')[:-1])


def removexattr(name, xattr, follow):
    if name.startswith('$'):
        check(libc.fremovexattr(handles[name], raw(xattr)))
    else:
        check((libc.removexattr if follow else libc.lremovexattr)(raw(name), raw(xattr)))


def open_file(handle, name, *flags):
    bits = 0
    for flag in flags:
        bits |= FLAGS.get(flag, 0)
    if 'read' in flags and 'write' in flags or not ('read' in flags or 'write' in flags or 'directory' in flags):
        bits = bits & ~os.O_WRONLY | os.O_RDWR
    fd = check(libc.open(raw(name), bits | os.O_NONBLOCK, 0o644))
    handles[handle] = fd


def readdir(handle, count):
    """One entry at a time, so that the place after each is known."""
    entries = []
    buffer = ctypes.create_string_buffer(288)
    while len(entries) < count:
        size = check(libc.syscall(217, handles[handle], buffer, 288))
        if size == 0:
            break
        at, places = 0, []
        while at < size:
            inode, cursor, length, kind = struct.unpack_from('<QqHB', buffer, at)
            name = buffer.raw[at + 19:at + length].split(b'\0')[0]
            places.append((cursor, DIRENT_KINDS[kind] + ' ' + name.decode('latin-1')))
            at += length
        wanted = places[:count - len(entries)]
        entries += [entry for _, entry in wanted]
        if len(wanted) < len(places):
            check(libc.lseek(handles[handle], ctypes.c_long(wanted[-1][0]), 0))
    return ', '.join(entries)


def chattr(name, change):
    fd = os.open(raw(name), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        value = ctypes.c_long(0)
        check(libc.ioctl(fd, 0x80086601, ctypes.byref(value)))
        for word in change.split():
            bit = CHATTR[word[1:]]
            value.value = value.value | bit if word[0] == '+' else value.value & ~bit
        check(libc.ioctl(fd, 0x40086602, ctypes.byref(value)))
    finally:
        os.close(fd)


def lsattr(name):
    fd = os.open(raw(name), os.O_RDONLY | os.O_NONBLOCK)
    try:
        value = ctypes.c_long(0)
        check(libc.ioctl(fd, 0x80086601, ctypes.byref(value)))
        return ' '.join(sorted(word for word, bit in CHATTR.items() if value.value & bit))
    finally:
        os.close(fd)


def utimes(name, access, modify, *how):
    def pair(time):
        if time is None:
            return (0, (1 << 30) - 2)
        if time == 'now':
            return (0, (1 << 30) - 1)
        return (time // 10**9, time % 10**9)
    data = struct.pack('<qqqq', *pair(access), *pair(modify))
    flags = 0x100 if 'noFollow' in how else 0
    if name.startswith('$'):
        check(libc.futimens(handles[name], data))
    else:
        check(libc.utimensat(AT_FDCWD, raw(name), data, flags))


def times(name):
    status = os.lstat(raw(name))
    return '%d %d' % (status.st_atime_ns, status.st_mtime_ns)


def link(old, new, *how):
    if old.startswith('$'):
        check(libc.linkat(handles[old], b'', AT_FDCWD, raw(new), 0x1000))
    else:
        check(libc.linkat(AT_FDCWD, raw(old), AT_FDCWD, raw(new), 0x400 if 'follow' in how else 0))


def repeat(count, operation, *arguments):
    """`%` stands for the number of the round. The outcome of the last round, or of the first that fails."""
    for index in range(count):
        filled = [part.replace('%', str(index)) if isinstance(part, str) else part for part in arguments]
        try:
            result = OPERATIONS[operation](*filled)
        except OSError as error:
            raise OSError(error.errno, '%d' % index)
    return result


def write(name, offset, length):
    fd = handles[name] if name.startswith('$') else os.open(raw(name), os.O_WRONLY)
    try:
        os.pwrite(fd, b'x' * length, offset)
    finally:
        if not name.startswith('$'):
            os.close(fd)


def ftruncate(name, size):
    os.truncate(target(name), size)


def vol_args(path, flags, source):
    """Asks for a subvolume, or a snapshot of `source`."""
    parent, name = os.path.split(path)
    where = os.open(raw(parent), os.O_RDONLY)
    origin = -1 if source is None else os.open(raw(source), os.O_RDONLY)
    try:
        data = struct.pack('<qQQ32s4040s', origin if origin >= 0 else 0, 0, flags, b'', raw(name))
        check(libc.ioctl(where, 0x50009418 if source is None else 0x50009417, data))
    finally:
        os.close(where)
        if origin >= 0:
            os.close(origin)


OPERATIONS = {
    'subvolume': lambda path: vol_args(path, 0, None),
    'snapshot': lambda old, new: vol_args(new, 0, old),
    'read-only-snapshot': lambda old, new: vol_args(new, 2, old),
    'mkdir': lambda path, mode=0o755: os.mkdir(raw(path), mode),
    'create': lambda path, mode=0o644: os.close(check(libc.open(raw(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, mode))),
    'write': write,
    'truncate': ftruncate,
    'sync': lambda: os.sync(),
    'unlink': lambda path: os.unlink(raw(path)),
    'rmdir': lambda path: os.rmdir(raw(path)),
    'rename': lambda old, new: rename(old, new, 0),
    'noreplace': lambda old, new: rename(old, new, 1),
    'exchange': lambda old, new: rename(old, new, 2),
    'link': link,
    'symlink': lambda old, new: check(libc.symlink(raw(old), raw(new))) and None,
    'readlink': lambda path: os.readlink(raw(path)).decode('latin-1'),
    'mknod': lambda path, kind, mode=0o644, major=0, minor=0: os.mknod(raw(path), TYPES[kind] | mode,
                                                                     os.makedev(major, minor)),
    'stat': lambda path: show(os.stat(target(path))),
    'lstat': lambda path: show(os.lstat(raw(path))),
    'chmod': lambda path, mode: os.chmod(target(path), mode),
    'lchmod': lambda path, mode: check(libc.syscall(452, AT_FDCWD, raw(path), mode, 0x100)) and None,
    'chown': lambda path, uid, gid: os.chown(target(path), -1 if uid is None else uid, -1 if gid is None else gid),
    'lchown': lambda path, uid, gid: os.lchown(raw(path), -1 if uid is None else uid, -1 if gid is None else gid),
    'utimes': utimes,
    'times': times,
    'setxattr': lambda path, name, value, *how: setxattr(path, name, value, how),
    'getxattr': lambda path, name: getxattr(path, name, True),
    'lgetxattr': lambda path, name: getxattr(path, name, False),
    'listxattr': lambda path: listxattr(path, True),
    'llistxattr': lambda path: listxattr(path, False),
    'removexattr': lambda path, name: removexattr(path, name, True),
    'lremovexattr': lambda path, name: removexattr(path, name, False),
    'open': open_file,
    'close': lambda handle: os.close(handles.pop(handle)),
    'readdir': readdir,
    'seekdir': lambda handle, cursor: os.lseek(handles[handle], cursor, 0) and None,
    'names': lambda path: ' '.join(sorted(name.decode('latin-1') for name in os.listdir(raw(path)))),
    'chattr': chattr,
    'lsattr': lsattr,
    'repeat': repeat,
}


def perform(operation):
    name, *arguments = operation
    try:
        result = OPERATIONS[name](*arguments)
    except OSError as error:
        code = errno.errorcode[error.errno].replace('ENOTSUP', 'EOPNOTSUPP')
        return code + (' at ' + error.strerror if name == 'repeat' else '')
    return result if isinstance(result, str) else 'ok'


def run_case(root, operations):
    """In a child, which may change its root and leave files open."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.chroot(root)
        os.chdir('/')
        os.umask(0)
        outcomes = [perform(operation) for operation in operations]
        with os.fdopen(writer, 'w') as pipe:
            json.dump(outcomes, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        outcomes = json.load(pipe)
    os.waitpid(child, 0)
    return outcomes


def main():
    cases = json.load(sys.stdin)
    outcomes = []
    for index, operations in enumerate(cases):
        root = os.path.join(sys.argv[1], 'case-%d' % index)
        os.mkdir(root)
        outcomes.append(run_case(root, operations))
    json.dump(outcomes, sys.stdout)


main()
