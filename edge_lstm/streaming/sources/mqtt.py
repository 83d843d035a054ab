"""``mqtt://`` or ``mqtts://[USER:PASSWORD@]HOST[:PORT]/TOPIC``: messages, each with one line or several."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge_lstm.errors import LinkError, MissingDependencyError
from edge_lstm.streaming.sources.base import POLL, Wire, reason, text_of
from edge_lstm.streaming.sources.tls import Tls, hung_up, refusal

PORTS = {"mqtt": 1883, "mqtts": 8883}
PASSWORD = "EDGE_LSTM_MQTT_PASSWORD"  # noqa: S105 - the name of a variable
"""Where the password of a user comes from whose address has none: addresses are seen by everybody on the computer."""
KEEP_ALIVE = 30
"""Seconds after which a silent connection is asked whether it is alive."""
ANSWER_SECONDS = 10.0
AT_LEAST_ONCE = 1


@dataclass(frozen=True)
class Broker:
    """A topic at a broker.

    Args:
        url: for messages.
        tls: None speaks in the clear.
    """

    url: str
    host: str
    port: int
    topic: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def gone(self, error: object) -> LinkError:
        return LinkError(f"{self.url}: the broker is gone: {error}; start again when it is back")


class MqttSource(Wire):
    """The messages of a topic, which may hold wildcards.

    Raises:
        MissingDependencyError: if paho-mqtt is not installed.
        LinkError: if the broker cannot be reached, or refuses the user or the topic.
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker.url)
        self._broker, self._messages = broker, deque[bytes]()
        self._client = connected(broker)
        self._client.on_message = lambda _client, _data, message: self._messages.append(message.payload)
        answers: list[Any] = []
        self._client.on_subscribe = lambda _client, _data, _id, codes, _more: answers.extend(codes)
        self._client.subscribe(broker.topic, AT_LEAST_ONCE)
        wait(self._client, broker, lambda: bool(answers))
        if answers[0].is_failure:
            raise LinkError(f"{broker.url}: the broker refuses the topic: {answers[0]}; check the user's rights")

    def lines(self) -> Iterator[str]:
        while not self._closed.is_set():
            if self._client.loop(POLL) != 0:
                raise self._broker.gone("the connection was lost")
            while self._messages:
                yield from (f"{line}\n" for line in text_of(self._messages.popleft()).splitlines())

    def close(self) -> None:
        super().close()
        self._client.disconnect()


def connected(broker: Broker) -> Any:
    """A client that the broker has accepted; whoever holds it runs its loop.

    Raises:
        MissingDependencyError, LinkError: as ``MqttSource``.
    """
    try:
        from paho.mqtt import client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MissingDependencyError(
            "paho-mqtt is not installed, it talks to brokers; pip install 'edge-lstm[mqtt]'"
        ) from error
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    if broker.user is not None:
        client.username_pw_set(broker.user, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls.context(broker.url))
    codes: list[Any] = []
    client.on_connect = lambda _client, _data, _flags, code, _more: codes.append(code)
    try:
        client.connect(broker.host, broker.port, KEEP_ALIVE)
    except (OSError, ValueError) as error:
        raise _unreachable(broker, error) from error
    try:
        wait(client, broker, lambda: bool(codes))
    except LinkError as error:
        # A broker that wants other security hangs up before it answers.
        if broker.tls is not None:
            raise hung_up(broker.url, broker.tls) from error
        raise LinkError(f"{error}, or check whether it wants TLS: mqtts://") from error
    if codes[0].is_failure:
        raise LinkError(f"{broker.url}: the broker refuses: {codes[0]}; check user and password")
    return client


def _unreachable(broker: Broker, error: OSError | ValueError) -> LinkError:
    words = reason(error) if isinstance(error, OSError) else str(error)
    refused = refusal(broker.url, error) if broker.tls is not None and isinstance(error, OSError) else None
    return refused or LinkError(f"{broker.url}: cannot be reached: {words}; check host, port and network")


def wait(client: Any, broker: Broker, done: Callable[[], bool]) -> None:
    """Send and receive until something is done.

    Raises:
        LinkError: if the broker is gone, or silent.
    """
    end = time.monotonic() + ANSWER_SECONDS
    while not done():
        if client.loop(POLL) != 0 and not done():
            raise broker.gone("the connection was lost")
        if time.monotonic() > end:
            raise LinkError(f"{broker.url}: no answer in {ANSWER_SECONDS:.0f} s; check that a broker listens there")
