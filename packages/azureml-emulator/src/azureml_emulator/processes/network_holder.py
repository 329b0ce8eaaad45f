"""Keeps a private network that several processes share: `python network_holder.py PORT…`. Linux only.

Standard input is a socket pair with the emulator. It gets the listening sockets of the ports as descriptors, one at a
time, and with them passes on what the processes ask of it: a socket belongs to the network in which it was made, also
in the hands of another process. The network is there for as long as this program or a process in it runs; it ends when
the other side of the socket pair closes.
"""

from __future__ import annotations

import os
import socket
import sys

from azureml_emulator.processes.fork_server import end_with_parent
from azureml_emulator.processes.private_network import enter_private_network

_LOOPBACK = "127.0.0.1"


def main(ports: list[int]) -> None:
    """Make the network, hand out its listening sockets, and wait."""
    parent = os.getppid()
    enter_private_network()
    end_with_parent(parent)
    with socket.socket(fileno=os.dup(0)) as control:
        for port in ports:
            with socket.create_server((_LOOPBACK, port)) as listener:
                socket.send_fds(control, [b"+"], [listener.fileno()])
        control.recv(1)


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
