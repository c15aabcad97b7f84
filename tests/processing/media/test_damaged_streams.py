"""Clips of which one stream or some packets are damaged: what can be decoded is used, and what cannot is told."""

import logging

import av
import numpy as np
import pytest
from clip_samples import remux, write_sounding_video, write_video
from damaged_clips import join_streams, overwrite_packets, plainly_decoded, remux_overwritten
from processing_samples import dominant_frequency

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import Media, MediaDamage, MediaLimits, decode_media
from transformers_ggm.processing.media import timeline
from transformers_ggm.processing.media.damage import count_missing
from transformers_ggm.processing.media.frame_images import upright_rgb

X264 = "keyint={}:min-keyint=1:scenecut=0:bframes={}"
# Name: file name, codec, and what `write_video` is told. 60 frames at 25 a second.
VIDEOS = {
    "h264": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(15, 3)}}),
    "h264 long": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(250, 0)}}),
    "h264 mkv": ("a.mkv", "libx264", {"options": {"x264-params": X264.format(15, 3)}}),
    "hevc": ("a.mp4", "libx265", {"options": {"x265-params": "log-level=none:keyint=15"}, "size": (64, 64)}),
    "vp9": ("a.webm", "libvpx-vp9", {"gop_size": 15, "options": {"cpu-used": "8"}}),
    "av1": ("a.mp4", "libsvtav1", {"gop_size": 15, "options": {"preset": "12"}, "size": (64, 64)}),
    "mpeg4": ("a.avi", "mpeg4", {"gop_size": 15}),
    "mjpeg": ("a.mov", "mjpeg", {"pix_fmt": "yuvj420p"}),
}
SOUNDS = [("mp4", "libx264", "aac"), ("avi", "mpeg4", "mp3"), ("mkv", "libx264", "ac3"), ("mkv", "libx264", "flac")]
SOUNDS += [("webm", "libvpx", "libopus"), ("mov", "mpeg4", "pcm_s16le")]


def video_of(folder, kind):
    name, codec, told = VIDEOS[kind]
    return write_video(folder / name, codec, **told)


def all_times(duration):
    return [index / 25 for index in range(60)]


def first_and_last(duration):
    return [0.0, duration]


def check_plain(path, wanted=all_times, **kwargs):
    """Compares with the frames that a plain loop gives, of which the nearest are wanted; gives the clip."""
    media = decode_media(path, sample_timestamps=wanted, **kwargs)
    frames, _ = plainly_decoded(path)
    for time, stamp, image in zip(wanted(media.duration), media.timestamps.tolist(), media.frames):
        nearest = min(frames, key=lambda frame: (abs(frame.time - time), frame.time))
        assert stamp == pytest.approx(nearest.time, abs=2e-3)
        assert np.array_equal(image.permute(1, 2, 0).numpy(), upright_rgb(nearest))
    return media, frames


@pytest.mark.parametrize("number", [20, 37])
@pytest.mark.parametrize("kind", sorted(VIDEOS))
def test_frames_around_a_damaged_packet_are_used(tmp_path, kind, number):
    """Would fail if one packet of noise refused a clip, or gave other frames than a decoder that goes on after it."""
    path = overwrite_packets(video_of(tmp_path, kind), [number])
    _, refused = plainly_decoded(path)
    media, frames = check_plain(path)
    assert len(set(media.timestamps.tolist())) == len(frames) >= 45
    if refused:
        assert (media.damage.num_frames, media.damage.num_missing_frames) == (60, 60 - len(frames))


@pytest.mark.parametrize("kind", ["h264", "h264 mkv", "hevc", "vp9", "av1", "mjpeg"])
def test_times_stay_where_the_first_frames_are_lost(tmp_path, kind):
    """Would fail if all that follows a damaged beginning were shown earlier than it is, beside its sound."""
    path = overwrite_packets(video_of(tmp_path, kind), [0])
    media, frames = check_plain(path)
    assert media.timestamps[0] == pytest.approx(frames[0].time, abs=2e-3)
    assert frames[0].time > 0.03 and media.damage.num_missing_frames == 60 - len(frames)


@pytest.mark.parametrize("numbers", [[59], [58, 59], [45]])
@pytest.mark.parametrize("kind", ["mpeg4", "mjpeg", "h264 long"])
def test_the_end_is_damaged(tmp_path, kind, numbers):
    """Would fail if the frames that the decoder still held went down with a damaged last one."""
    path = overwrite_packets(video_of(tmp_path, kind), numbers)
    media, frames = check_plain(path)
    assert media.damage.num_missing_frames == 60 - len(frames) == len(numbers)


@pytest.mark.parametrize("kind", ["h264", "vp9", "mpeg4", "mjpeg"])
def test_frames_far_from_the_damage_are_those_of_the_whole_clip(tmp_path, kind):
    """
    Would fail if damage changed frames that do not depend on it, or refused a clip whose wanted frames are whole.
    """
    path = video_of(tmp_path, kind)
    expected = decode_media(path, sample_timestamps=lambda duration: [0.2, 2.2])
    media = decode_media(overwrite_packets(path, [33, 34]), sample_timestamps=lambda duration: [0.2, 2.2])
    assert np.array_equal(media.frames, expected.frames) and media.duration == expected.duration


@pytest.mark.parametrize("kind", ["h264", "mpeg4"])
def test_large_clips_are_no_exception(tmp_path, kind, monkeypatch):
    """Would fail if a damaged clip that is read again, for want of memory, gave other frames."""
    monkeypatch.setattr(timeline, "_MAX_HELD_BYTES", 100)
    media, _ = check_plain(overwrite_packets(video_of(tmp_path, kind), [20]))
    assert media.damage.num_missing_frames == 1


def test_damage_in_mpeg_ts(tmp_path):
    """Would fail if noise that hides the start of a frame from FFmpeg's parser refused the clip."""
    whole = write_video(tmp_path / "whole.ts", "mpeg2video", gop_size=15)
    path = remux_overwritten(whole, tmp_path / "a.ts", [20, 31])
    frames, _ = plainly_decoded(path)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, 0.4, duration])
    assert np.array_equal(media.frames[1].permute(1, 2, 0).numpy(), upright_rgb(frames[10]))
    assert media.duration == pytest.approx(2.4, abs=0.1)


def test_faulty_frames_are_shown_and_counted(tmp_path):
    """Would fail if a frame that the decoder mends were left out, or passed for a good one."""
    path = overwrite_packets(video_of(tmp_path, "mpeg4"), [20, 40], share=0.5)
    frames, refused = plainly_decoded(path)
    assert refused == 0 and sum(frame.is_corrupt for frame in frames) == 2
    media = decode_media(path, sample_timestamps=all_times)
    assert len(media.frames) == 60
    assert str(media.damage) == "2 of 60 frames are faulty"


def test_superframes_that_the_decoder_holds_back(tmp_path):
    """Would fail if a damaged first keyframe of VP9 stopped the decoder for good."""
    # Zeros look like a frame that is not shown: the muxer joins it with the next one.
    whole = video_of(tmp_path, "vp9")
    path = tmp_path / "b.webm"
    with av.open(str(whole)) as given, av.open(str(path), "w") as container:
        copy = container.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(packet for packet in given.demux() if packet.size):
            zeros = av.Packet(bytes(packet.size))
            zeros.pts, zeros.dts, zeros.time_base = packet.pts, packet.dts, packet.time_base
            zeros.is_keyframe = packet.is_keyframe
            packet = zeros if number == 0 else packet
            packet.stream = copy
            container.mux(packet)
    expected = decode_media(whole, sample_timestamps=lambda duration: [1.0, 2.0])
    # The joined packet is shown when the second frame is.
    media = decode_media(path, sample_timestamps=lambda duration: [0.96, 1.96])
    assert np.array_equal(media.frames, expected.frames)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_too_much_damage_is_refused(tmp_path, share):
    """Would fail if the share that may be damaged did not count, or the message did not name it."""
    path = overwrite_packets(video_of(tmp_path, "mjpeg"), range(20, 35))
    limits = MediaLimits(max_damaged_share=share)
    if share > 0.25:
        assert decode_media(path, sample_timestamps=all_times, limits=limits).damage.num_missing_frames == 15
        return
    with pytest.raises(MediaError, match=r"15 of 60 frames.*MediaLimits\.max_damaged_share") as error:
        decode_media(path, sample_timestamps=all_times, limits=limits)
    assert path.name in str(error.value) and "max_pixels" not in str(error.value)


@pytest.mark.parametrize("limits", [MediaLimits(max_frames=60), MediaLimits(max_seconds=2.4)])
def test_decoding_twice_is_not_over_a_limit(tmp_path, limits):
    """Would fail if a damaged clip that is decoded anew were said to have more frames than it has."""
    path = overwrite_packets(video_of(tmp_path, "h264"), [20])
    assert decode_media(path, sample_timestamps=all_times, limits=limits).damage.num_missing_frames == 1


@pytest.mark.parametrize("kind", ["h264", "vp9", "mjpeg"])
def test_a_video_of_noise_is_refused(tmp_path, kind):
    """Would fail if a limit that was not reached were blamed for a video that cannot be decoded."""
    path = overwrite_packets(video_of(tmp_path, kind), range(60))
    with pytest.raises(MediaError, match="no frame can be decoded") as error:
        decode_media(path, sample_timestamps=all_times)
    assert path.name in str(error.value) and "MediaLimits" not in str(error.value)


@pytest.mark.parametrize("how", ["random", "zero"])
@pytest.mark.parametrize(("suffix", "video", "audio"), SOUNDS)
def test_a_damaged_packet_of_sound_costs_nothing_else(tmp_path, suffix, video, audio, how):
    """Would fail if damaged sound refused a good picture, or the rest of the sound."""
    path = write_sounding_video(tmp_path / f"a.{suffix}", video, audio)
    whole = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    overwrite_packets(path, [5, 17], "audio", how)
    frames, refused = plainly_decoded(path, "audio")
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert np.array_equal(media.frames, whole.frames) and media.duration == whole.duration
    seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    assert len(media.audio) / 16_000 == pytest.approx(seconds, abs=0.05)
    assert dominant_frequency(media.audio[24_000:], 16_000) == pytest.approx(440, abs=5)
    faulty = refused + sum(frame.is_corrupt for frame in frames)
    assert media.damage.num_faulty_sound_packets == faulty
    assert media.damage.num_frames == 0 or not media.damage.num_missing_frames


@pytest.mark.parametrize("numbers", [[0], [5, 17], range(30)])
def test_damaged_sound_in_mpeg_ts(tmp_path, numbers):
    """
    Would fail if noise instead of the headers of AAC, where a broadcast has them in every packet, ended the clip.
    """
    whole = write_sounding_video(tmp_path / "whole.ts", "mpeg2video", "aac")
    expected = decode_media(whole, sample_timestamps=first_and_last, sampling_rate=16_000)
    path = remux_overwritten(whole, tmp_path / "a.ts", numbers, "audio")
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert np.array_equal(media.frames, expected.frames)
    assert dominant_frequency(media.audio[-12_000:], 16_000) == pytest.approx(440, abs=5)
    assert media.damage.num_faulty_sound_packets > 0


@pytest.mark.parametrize(("kind", "header"), [("audio", b"fLaC"), ("video", b"avcC")])
def test_what_decoders_are_told_first_is_damaged(tmp_path, kind, header):
    """Would fail if a decoder that cannot be opened ended the clip, and not its stream alone."""
    video, audio, suffix = ("libx264", "flac", "mkv") if kind == "audio" else ("libx264", "aac", "mp4")
    path = write_sounding_video(tmp_path / f"a.{suffix}", video, audio)
    data = bytearray(path.read_bytes())
    start = data.index(header)
    if kind == "audio":
        data[start : start + 20] = bytes(20)
    else:
        data[start + 4 : start + 16] = b"\xff" * 12
    path.write_bytes(data)
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000, blank_video=True)
    assert (media.audio is None, media.frames is None) == (kind == "audio", kind == "video")
    assert "is left out" in str(media.damage)
    counts = media.damage.num_faulty_sound_packets, media.damage.num_sound_packets
    assert counts[0] <= counts[1]


def test_a_sound_of_noise_is_left_out(tmp_path):
    """Would fail if sound that cannot be decoded refused a good picture, or passed for silence without a word."""
    path = write_sounding_video(tmp_path / "a.mp4", "libx264", "aac")
    whole = decode_media(path, sample_timestamps=first_and_last)
    overwrite_packets(path, range(90), "audio")
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert np.array_equal(media.frames, whole.frames)
    assert (media.audio, media.sampling_rate) == (None, None)
    assert "its sound is left out" in str(media.damage)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_second_sound_stands_in_for_the_first(tmp_path, suffix):
    """Would fail if a damaged first sound were all that is heard of a file with two."""
    good = write_sounding_video(tmp_path / "good.mp4", "libx264", "aac")
    path = join_streams(tmp_path / f"a.{suffix}", [(good, "video"), (good, "audio"), (good, "audio")])
    overwrite_packets(path, range(90), "audio")
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert dominant_frequency(media.audio, 16_000) == pytest.approx(440, abs=5)
    assert len(media.audio) / 16_000 == pytest.approx(2.0, abs=0.1) and "another one" in str(media.damage)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_second_video_stands_in_for_the_first(tmp_path, suffix):
    """Would fail if a damaged first video refused a file with a good one."""
    good = write_sounding_video(tmp_path / "good.mp4", "libx264", "aac")
    path = join_streams(tmp_path / f"a.{suffix}", [(good, "video"), (good, "video"), (good, "audio")])
    overwrite_packets(path, range(20))
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    expected = decode_media(good, sample_timestamps=first_and_last)
    assert np.array_equal(media.frames, expected.frames) and media.audio is not None
    assert "second video" in str(media.damage)


def without_packets(source, path, kind):
    """Copies a clip, but for the packets of one kind of stream, whose track stays there."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        copies = [container.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            if packet.size and packet.stream.type != kind:
                packet.stream = copies[packet.stream.index]
                container.mux(packet)
    return path


def without_codec(path, kind):
    """Makes a stream's codec one that nobody knows, in an MP4 file."""
    data = path.read_bytes()
    name = {"video": b"avc1", "audio": b"mp4a"}[kind]
    start = data.index(name, data.index(b"stsd") if kind == "video" else data.rindex(b"stsd"))
    data = data[:start] + b"zzzz" + data[start + 4 :]
    # What else would tell it.
    path.write_bytes(data.replace(b"esds", b"free"))
    with av.open(str(path)) as container:
        assert getattr(container.streams, kind)[0].codec_context is None
    return path


def test_sound_of_an_unknown_kind(tmp_path):
    """Would fail if sound that has no decoder refused the picture, or were left out without a word."""
    path = write_sounding_video(tmp_path / "a.mp4", "libx264", "aac")
    whole = decode_media(path, sample_timestamps=first_and_last)
    media = decode_media(without_codec(path, "audio"), sample_timestamps=first_and_last, sampling_rate=16_000)
    assert np.array_equal(media.frames, whole.frames) and media.audio is None
    assert "kind that cannot be decoded" in str(media.damage)
    assert not decode_media(path, sample_timestamps=first_and_last).damage


@pytest.mark.parametrize("harm", ["unknown", "noise", "no packet"])
def test_good_sound_beside_a_bad_picture(tmp_path, harm):
    """
    Would fail if a file whose picture cannot be used were lost to those who hear it, or taken without being asked.
    """
    path = write_sounding_video(tmp_path / "a.mp4", "libx264", "aac")
    if harm == "unknown":
        data = path.read_bytes()
        path.write_bytes(data.replace(b"avc1", b"zzzz").replace(b"avcC", b"free"))
    elif harm == "noise":
        overwrite_packets(path, range(20))
    else:
        path = without_packets(path, tmp_path / "b.mkv", "video")
    with pytest.raises(MediaError) as error:
        decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert path.name in str(error.value) and "MediaLimits" not in str(error.value)
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000, blank_video=True)
    assert media.frames is None and dominant_frequency(media.audio, 16_000) == pytest.approx(440, abs=5)
    assert media.duration == pytest.approx(2.0, abs=0.1) and "its picture is left out" in str(media.damage)
    with pytest.raises(MediaError):
        decode_media(path, sample_timestamps=first_and_last, blank_video=True)


@pytest.mark.parametrize(("suffix", "video", "audio"), [*SOUNDS, ("ts", "mpeg2video", "aac")])
def test_sound_without_a_packet(tmp_path, suffix, video, audio):
    """Would fail if a track of sound that is empty, as muted recordings have it, refused the picture."""
    source = write_sounding_video(tmp_path / f"whole.{suffix}", video, audio)
    path = without_packets(source, tmp_path / f"a.{suffix}", "audio")
    media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert media.audio is None and media.timestamps.tolist() == pytest.approx([0.0, 1.9], abs=0.11)
    assert not media.damage


def test_other_streams_are_passed_over(tmp_path):
    """Would fail if subtitles, attached files, cover images or data tracks were taken for the clip, or refused it."""
    source = write_sounding_video(tmp_path / "whole.mkv", "libx264", "aac")
    path = tmp_path / "a.mkv"
    subtitles = tmp_path / "a.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n\n")
    with av.open(str(source)) as given, av.open(str(subtitles)) as words, av.open(str(path), "w") as container:
        copies = {}
        for stream in [words.streams.subtitles[0], *given.streams]:
            copies[stream] = container.add_stream_from_template(stream)
        if hasattr(container, "add_attachment"):
            container.add_attachment("font.ttf", "application/x-truetype-font", b"font")
        for packet in [*words.demux(), *given.demux()]:
            if packet.size:
                packet.stream = copies[packet.stream]
                container.mux(packet)
    whole = write_sounding_video(tmp_path / "whole.mp4", "libx264", "aac")
    covered = remux(whole, tmp_path / "covered.mp4", cover=(0, 255, 0))
    expected = decode_media(source, sample_timestamps=first_and_last, sampling_rate=16_000)
    for file in (path, covered):
        media = decode_media(file, sample_timestamps=first_and_last, sampling_rate=16_000)
        assert np.array_equal(media.frames, expected.frames) and len(media.audio) > 30_000
        assert not media.damage


def test_time_codes_and_covers_of_files_of_sound(tmp_path):
    """
    Would fail if a track of time codes refused a clip, or a cover image were shown beside the sound it belongs to.
    """
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = "00:00:00:00"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert "data" in [stream.type for stream in av.open(str(path)).streams]
    assert decode_media(path, sample_timestamps=first_and_last).duration == pytest.approx(1.0, abs=0.05)
    both = write_sounding_video(tmp_path / "both.mp4", "libx264", "aac")
    sound = join_streams(tmp_path / "sound.mp4", [(both, "audio")])
    covered = remux(sound, tmp_path / "covered.mp4", cover=(0, 255, 0))
    media = decode_media(covered, sample_timestamps=first_and_last, sampling_rate=16_000, blank_video=True)
    assert media.frames is None and len(media.audio) > 30_000 and not media.damage
    with pytest.raises(MediaError, match="no video stream"):
        decode_media(covered, sample_timestamps=first_and_last, sampling_rate=16_000)


def test_samples_that_are_no_numbers(tmp_path):
    """Would fail if damaged samples of floats reached the model as NaN or as numbers beyond all sounds."""
    path = write_sounding_video(tmp_path / "a.mov", "mpeg4", "pcm_f32le")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        payload = next(bytes(packet) for packet in container.demux(audio=0) if packet.size > 1000)
    start = data.index(payload)
    for offset, value in [(0, np.nan), (400, np.inf), (800, -np.inf), (1200, 1e30)]:
        data[start + offset : start + offset + 4] = np.float32(value).tobytes()
    path.write_bytes(data)
    for rate in (16_000, 48_000):
        media = decode_media(path, sample_timestamps=first_and_last, sampling_rate=rate)
        assert np.isfinite(media.audio).all() and np.abs(media.audio).max() < 16
        assert dominant_frequency(media.audio[rate // 2 :], rate) == pytest.approx(440, abs=5)


def test_damage_is_logged_once_and_named(tmp_path, caplog):
    """
    Would fail if nobody were told that a clip is damaged, or of which clip it is said, or if good ones were blamed.
    """
    path = write_sounding_video(tmp_path / "holiday.mp4", "libx264", "aac")
    logger = logging.getLogger("transformers_ggm")
    logger.addHandler(caplog.handler)
    try:
        decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
        assert not caplog.records
        overwrite_packets(path, [5], "audio")
        decode_media(path, sample_timestamps=first_and_last, sampling_rate=16_000)
    finally:
        logger.removeHandler(caplog.handler)
    messages = {record.getMessage() for record in caplog.records}
    assert len(messages) == 1 and "holiday.mp4" in messages.pop()


def test_what_cannot_be_read_further_is_left(tmp_path, monkeypatch):
    """Would fail if an error of FFmpeg while reading packets lost what was read before it."""
    path = write_video(tmp_path / "a.mkv", "libx264", options={"x264-params": X264.format(15, 0)})
    times = []

    class Stopping:
        """Raises after some packets, as FFmpeg does where the rest of a file makes no sense to it."""

        def __init__(self, container):
            self._container = container

        def __getattr__(self, name):
            return getattr(self._container, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._container.close()

        def demux(self, streams):
            for number, packet in enumerate(self._container.demux(streams)):
                if number == 40:
                    raise av.error.InvalidDataError(1, "Invalid data")
                times.append(packet.pts)
                yield packet

    real_open = av.open
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: Stopping(real_open(*args, **kwargs)))
    monkeypatch.setattr(timeline.Timeline, "_check_complete", lambda *args: None)
    media = decode_media(path, sample_timestamps=first_and_last)
    assert media.timestamps.tolist() == pytest.approx([0.0, 39 / 25], abs=2e-3)
    assert "cannot be read beyond 1.6" in str(media.damage)


def test_frames_are_missing_where_a_run_of_packets_gives_none():
    """Would fail if frames that go down with a damaged keyframe were not counted, or second fields were."""
    ticks = list(range(20))
    assert count_missing(ticks, set(ticks), set()) == 0
    assert count_missing(ticks, set(ticks) - {7}, {7}) == 1
    assert count_missing(ticks, set(ticks) - {7}, set()) == 0
    assert count_missing(ticks, set(ticks[::2]), set()) == 0
    assert count_missing(ticks, set(ticks) - {7, 8, 9}, set()) == 3
    assert count_missing(ticks, set(ticks) - {7, 8, 9}, {7}) == 3
    assert count_missing(ticks, set(ticks) - {0, 1}, set()) == 0
    assert count_missing(ticks, set(ticks) - {0, 1}, {0}) == 2


def test_good_clips_have_no_damage(clip):
    """Would fail if callers saw damage in a good clip, or could not make a `Media` without it."""
    media = decode_media(clip, sample_timestamps=first_and_last, sampling_rate=16_000)
    assert not media.damage
    assert Media(media.frames, media.timestamps, None, None, 1.0).damage == MediaDamage()
