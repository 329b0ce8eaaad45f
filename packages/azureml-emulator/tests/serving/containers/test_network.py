"""The emulator's end of a container's network: what it asks of the launcher, and launchers that are slow or end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from azureml_emulator.serving.containers.launcher import PORTS, SOCKET
from azureml_emulator.serving.containers.network import ContainerNetwork
from azureml_emulator.testing import PATIENCE_SECONDS

EMULATOR_PORT = 1


@asynccontextmanager
async def opened() -> AsyncGenerator[tuple[ContainerNetwork, socket.socket]]:
    """A network, and the launcher's end of its socket pair; the test answers as the launcher does."""
    network = ContainerNetwork("private", EMULATOR_PORT)
    with socket.socket(fileno=os.dup(network.stdin)) as launcher:
        launcher.setblocking(False)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            socket.send_fds(launcher, [b"+"], [listener.fileno()])
        await network.opened()
        try:
            yield network, launcher
        finally:
            await network.close()


async def asked(launcher: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(launcher, 1)


def test_the_answer_to_a_question_that_was_given_up_is_not_taken_for_another() -> None:
    async def ask() -> list[int]:
        async with opened() as (network, launcher):
            # given a probe that ends before a slow launcher answers
            probe = asyncio.create_task(network.connected_socket(5001))
            assert await asked(launcher) == SOCKET
            probe.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probe
            # when the next question is asked, and then both are answered
            ports = asyncio.create_task(network.listening_ports())
            with socket.socket() as fresh:
                socket.send_fds(launcher, [b"+"], [fresh.fileno()])
            assert await asked(launcher) == PORTS
            launcher.sendall(b"5001,8080")
            return await ports

    assert asyncio.run(ask()) == [5001, 8080]


def test_a_container_that_is_stopped_leaves_no_question_open() -> None:
    async def ask() -> None:
        async with opened() as (network, launcher):
            questions = [asyncio.create_task(network.connected_socket(5001)) for _ in range(3)]
            assert await asked(launcher) == SOCKET
            async with asyncio.timeout(PATIENCE_SECONDS):
                await network.close()
                answers = await asyncio.gather(*questions, return_exceptions=True)
            assert [str(answer) for answer in answers] == ["the container has ended"] * 3
            with pytest.raises(ConnectionError):
                await network.connected_socket(5001)

    asyncio.run(ask())
