"""Clips with damage in their packets, and what a plain loop over PyAV, which passes over errors, gives of them."""

import random

import av
from av.stream import Disposition


def overwrite_packets(path, numbers, kind="video", how="random", share=1.0):
    """Overwrites the last `share` of the packets with these numbers, in place; the container stays as it is."""
    rng = random.Random(0)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(getattr(container.streams, kind)[0]) if packet.size]
    data = bytearray(path.read_bytes())
    for number in numbers:
        payload = packets[number]
        # The payload of every packet stands in one piece, but for MPEG-TS; of two like streams the first one's comes
        # first.
        start = data.index(payload) + len(payload) - max(1, round(share * len(payload)))
        end = data.index(payload) + len(payload)
        data[start:end] = bytes(end - start) if how == "zero" else rng.randbytes(end - start)
    path.write_bytes(data)
    return path


def remux_overwritten(source, path, numbers, kind="video"):
    """
    Copies a clip, with noise instead of the packets with these numbers: for MPEG-TS, which cuts packets in pieces.
    """
    rng = random.Random(0)
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        counts = dict.fromkeys(streams, -1)
        for packet in given.demux():
            if not packet.size:
                continue
            counts[packet.stream.index] += 1
            if packet.stream.type == kind and counts[packet.stream.index] in numbers:
                noise = av.Packet(rng.randbytes(packet.size))
                noise.pts, noise.dts, noise.duration = packet.pts, packet.dts, packet.duration
                noise.time_base, noise.is_keyframe = packet.time_base, packet.is_keyframe
                noise.stream = packet.stream
                packet = noise
            packet.stream = streams[packet.stream.index]
            container.mux(packet)
    return path


def join_streams(path, sources):
    """Writes one file with a stream out of each of `sources`, which are (path, kind)."""
    containers = [av.open(str(source)) for source, _ in sources]
    with av.open(str(path), "w") as container:
        packets = []
        for number, (given, (_, kind)) in enumerate(zip(containers, sources)):
            stream = getattr(given.streams, kind)[0]
            copy = container.add_stream_from_template(stream)
            packets += [
                (packet.dts * packet.time_base, number, packet, copy) for packet in given.demux(stream) if packet.size
            ]
        for _, _, packet, copy in sorted(packets, key=lambda told: told[:2]):
            packet.stream = copy
            container.mux(packet)
    for given in containers:
        given.close()
    return path


def plainly_decoded(path, kind="video"):
    """All frames that PyAV gives of a stream, one packet after the other, and how many packets it refuses."""
    frames, num_refused = [], 0
    with av.open(str(path)) as container:
        streams = getattr(container.streams, kind)
        stream = next(stream for stream in streams if not stream.disposition & Disposition.attached_pic)
        # With several threads, errors are told late, and damage is mended otherwise than the `ffmpeg` program does.
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                frames += packet.decode()
            except av.FFmpegError:
                num_refused += 1
    return frames, num_refused
