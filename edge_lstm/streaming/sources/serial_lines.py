"""``serial:PORT[?baud=115200]``: lines of text from what pyserial opens."""

from __future__ import annotations

from collections.abc import Iterator

from edge_lstm.errors import LinkError, MissingDependencyError
from edge_lstm.streaming.sources.base import POLL, LineCutter, Wire

BAUD = 115_200


class SerialSource(Wire):
    """The lines of a serial port. It may be opened in the middle of one.

    Args:
        port: ``/dev/ttyUSB0``, ``COM3`` or another address of pyserial's, such as ``rfc2217://HOST:PORT``.

    Raises:
        MissingDependencyError: if pyserial is not installed.
        LinkError: if the port cannot be opened, or somebody else has it.
    """

    torn = True

    def __init__(self, url: str, port: str, baud: int = BAUD) -> None:
        super().__init__(url)
        try:
            import serial
        except ImportError as error:
            raise MissingDependencyError(
                "pyserial is not installed, it reads serial ports; pip install 'edge-lstm[boards]'"
            ) from error
        try:
            self._port = serial.serial_for_url(port, baudrate=baud, timeout=POLL, do_not_open=True)
            if "://" not in port:
                self._port.exclusive = True
            self._port.open()
        except (OSError, ValueError) as error:
            raise LinkError(
                f"{url}: cannot be opened: {error}; check the name, the cable, and who else has it open"
            ) from error

    def lines(self) -> Iterator[str]:
        cutter = LineCutter()
        while not self._closed.is_set():
            try:
                data = self._port.read(max(1, self._port.in_waiting))
            except (OSError, TypeError) as error:  # pyserial's own errors are OSErrors; a closed port gives TypeError
                if self._closed.is_set():
                    return
                raise self.gone(error, "plug it in and start again") from error
            yield from cutter.cut(data)

    def close(self) -> None:
        super().close()
        self._port.close()
