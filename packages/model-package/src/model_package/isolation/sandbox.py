"""What a process that runs a stranger's code may do: see only libraries and given folders, and reach no network.

Linux alone has it (Landlock, since 5.13, and a filter of system calls). It cannot be undone, holds for all that the
process starts, and hides the environment and memory of every other process. Call it before any thread is started:
imports nothing but the standard library.
"""

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_CAPABILITY_VERSION = 0x20080522
# All that is left of root's power: to read what the rules allow, of any owner. Others would see other processes.
_KEPT_CAPABILITIES = 0b110
# A filter of system calls, by the numbers that each processor has for them: no new socket of any kind, so that what
# listens on this machine is out of reach too, nor io_uring, which could make one.
_SET_FILTER, _FILTER_MODE = 22, 2
_PROCESSORS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING, _OTHER_NUMBERS = 425, 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
# Accesses to files, as bits: the last ones came with later versions.
_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_ALL_FILE_BITS = 16
_NETWORK_VERSION, _SCOPE_VERSION = 4, 6
# Listening and connecting; abstract sockets and signals of others.
_BOTH = 0b11
_READING = _EXECUTE | _READ | _READ_FOLDER
_OF_FILES = _EXECUTE | _READ | _WRITE | _TRUNCATE | _DEVICE_CONTROL
_SYSTEM = ("/bin", "/etc", "/lib", "/lib64", "/opt", "/proc", "/sbin", "/sys", "/usr")
# No shared memory, terminal or disk; graphics processors, for models.
_DEVICES = ("null", "zero", "full", "random", "urandom", "nvidia*", "dri", "kfd")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Give up all access to files but to Python's libraries, the system's and the given folders, and to the network.

    Returns whether the system could do it; raises OSError when it has it and refuses.
    """
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return False
    everything = (1 << _FILE_BITS.get(version, _ALL_FILE_BITS)) - 1
    wanted = _Ruleset(
        everything, _BOTH if version >= _NETWORK_VERSION else 0, _BOTH if version >= _SCOPE_VERSION else 0
    )
    rules = _checked(system.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0))
    try:
        for folder in (*map(Path, _SYSTEM), *_python_folders(), *readable):
            _allow(system, rules, folder, _READING)
        for folder in writable:
            _allow(system, rules, folder, everything)
        for device in (found for name in _DEVICES for found in Path("/dev").glob(name)):
            _allow(system, rules, device, everything & (_READING | _OF_FILES))
        _drop_capabilities(system)
        _checked(system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(system.syscall(_RESTRICT_SELF, rules, 0))
        _refuse_sockets(system)
    finally:
        os.close(rules)
    return True


def limit_resources(memory_bytes: int, processor_seconds: int, file_bytes: int) -> None:
    """Bound the memory and processor time of this process, and the size of what it writes. Windows has no such bounds.

    Memory is bounded on Linux alone: elsewhere the system does not count what a process has mapped.
    """
    if sys.platform == "win32":
        return
    import resource

    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: processor_seconds,
        resource.RLIMIT_FSIZE: file_bytes,
    }
    if sys.platform == "linux":
        bounds[resource.RLIMIT_AS] = memory_bytes
    for kind, most in bounds.items():
        _, allowed = resource.getrlimit(kind)
        bound = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (bound, bound))


def _python_folders() -> Iterable[Path]:
    found = {*sys.path, sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    return (Path(each).resolve() for each in sorted(found) if each)


def _allow(system: ctypes.CDLL, rules: int, path: Path, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _Beneath(access if path.is_dir() else access & _OF_FILES, opened)
        _checked(system.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(opened)


def _drop_capabilities(system: ctypes.CDLL) -> None:
    header, found = _CapabilityHeader(_CAPABILITY_VERSION, 0), (_Capabilities * 2)()
    _checked(system.capget(ctypes.byref(header), found))
    left = found[0].permitted & _KEPT_CAPABILITIES
    found[0], found[1] = _Capabilities(left, left, 0), _Capabilities(0, 0, 0)
    _checked(system.capset(ctypes.byref(header), found))


def _refuse_sockets(system: ctypes.CDLL) -> None:
    """Let `socket` fail with EACCES from now on; pairs of sockets within the process are no harm."""
    if platform.machine() not in _PROCESSORS:
        return
    architecture, socket_number = _PROCESSORS[platform.machine()]
    steps = (
        # The processor, then the number of the call; a jump counts the steps to leave out.
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 3, 0, _OTHER_NUMBERS),
        (_EQUAL, 2, 0, socket_number),
        (_EQUAL, 1, 0, _IO_URING),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    instructions = (_Instruction * len(steps))(*steps)
    program = _Program(len(steps), instructions)
    _checked(system.prctl(_SET_FILTER, _FILTER_MODE, ctypes.byref(program), 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
