"""Reading and decoding packets of files that may be damaged."""

from collections.abc import Iterator, Sequence

import av
from av.container import InputContainer


class PacketReader:
    """Goes through the packets of streams, up to the end of the file or to where it cannot be read any further.

    An empty packet for each stream comes last, which takes from its decoder what that still holds.

    Args:
        container (`InputContainer`): An open clip.
        streams (`Sequence`): Its streams that are wanted.

    Attributes:
        error (`Exception` or `None`): What ended the reading before the end of the file.
    """

    def __init__(self, container: InputContainer, streams: Sequence):
        self.error: Exception | None = None
        self._container = container
        self._streams = streams

    def __iter__(self) -> Iterator[av.Packet]:
        packets = self._container.demux(self._streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except Exception as error:
                # PyAV raises errors of many classes, and what was read so far is good whichever it is.
                self.error = error
                break
            yield packet
        for stream in self._streams:
            packet = av.Packet()
            packet.stream, packet.time_base = stream, stream.time_base
            yield packet


def told_stop(error: Exception, seconds: float) -> str:
    """What to say of a file that cannot be read any further after so many seconds."""
    return f"it cannot be read beyond {seconds:.2f} s ({getattr(error, 'strerror', error)})"


def decode_packet(packet: av.Packet) -> list:
    """The frames that a packet completes.

    Raises:
        `Exception`: It cannot be decoded. PyAV raises errors of many classes; the next packet can be decoded all the
            same.
    """
    try:
        return packet.decode()
    except av.error.BlockingIOError:
        # Of a packet with several frames the first is damaged, and the decoder waits for the others to be taken, which
        # PyAV never does after an error.
        context = packet.stream.codec_context
        frames = _drained(context)
        context.flush_buffers()
        return [*frames, *packet.decode()]


def _drained(context: av.CodecContext) -> list:
    try:
        return context.decode(None)
    except av.FFmpegError:
        return []
