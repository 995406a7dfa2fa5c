import pytest

from tsd_tf.contract import schema
from tsd_tf.contract.hashing import place_of
from tsd_tf.data import sequence_example, tfrecord
from tsd_tf.data.part import Part, source_of
from tsd_tf.data.records import Records


def context(media_id=None, path=None):
    pairs = ((schema.MEDIA_ID, media_id), (schema.DATA_PATH, path))
    return {key: [value.encode()] for key, value in pairs if value is not None}


@pytest.mark.parametrize(
    ("media_id", "path", "source"),
    [
        # Kinetics, however its files are named.
        ("abcdefghi-0_000010_000020", "juggling/abcdefghi-0_000010_000020.mp4", "abcdefghi-0"),
        ("abcdefghi-0_000010_000020", "abcdefghi-0.mp4", "abcdefghi-0"),
        ("v_Archery_g08_c03", "Archery/v_Archery_g08_c03.avi", "v_Archery_g08"),
        ("v_Archery_g08_c12", None, "v_Archery_g08"),
        # One's own: a whole file, a clip of it, and names that only look like clips.
        ("walks/a_1", "walks/a_1.mp4", "walks/a_1"),
        ("walks/a_1_0_2.5", "walks/a_1.mp4", "walks/a_1"),
        ("clip_3_4", "clip_3_4.mp4", "clip_3_4"),
        ("x_c01", None, "x_c01"),
        (None, "walks/a.mp4", ""),
        ("a", "..", "a"),
    ],
)
def test_the_source_of_a_clip(media_id, path, source):
    assert source_of(context(media_id, path)) == source


def test_places_are_the_same_everywhere():
    assert place_of("v_Archery_g08") == pytest.approx(0.7757868, abs=1e-7)
    places = sorted(place_of(str(number)) for number in range(1000))
    assert max(abs(place - rank / 1000) for rank, place in enumerate(places)) < 0.05


def test_a_video_is_held_out_or_trained_on_and_stays_where_it_is_for_a_larger_share():
    found = {share: {n for n in range(1000) if Part(share, True).has(context(f"video {n}"))} for share in (0.1, 0.3)}
    assert 70 < len(found[0.1]) < 130
    assert found[0.1] < found[0.3]
    trained_on = {n for n in range(1000) if Part(0.3, False).has(context(f"video {n}"))}
    assert trained_on == set(range(1000)) - found[0.3]


def test_a_record_without_a_name_is_never_held_out():
    assert (Part(1.0, True).has({}), Part(1.0, False).has({})) == (False, True)


@pytest.fixture
def shards(tmp_path):
    """Two shards of 20 videos; contexts of 100 bytes, of 10 kB, and damaged ones."""
    paths = []
    for shard in range(2):
        payloads = []
        for number in range(20):
            extra = {"extra": b"x" * 10_000} if number % 3 == 0 else {}
            values = {schema.MEDIA_ID: f"video {shard} {number}", **extra}
            payload = sequence_example.encode(values, {schema.IMAGE_ENCODED: [b"picture"] * 3})
            payloads.append(b"\x0a\xff" if number == 7 else payload)
        paths.append(tmp_path / f"train-{shard:05d}-of-00002")
        paths[-1].write_bytes(b"".join(map(tfrecord.frame, payloads)))
    return list(map(str, paths))


def test_records_of_a_part_are_those_alone(shards):
    everything = Records(shards)
    held_out, rest = (Records(shards, part=Part(0.3, is_held_out)) for is_held_out in (True, False))
    assert 0 < held_out.total < rest.total
    for shard in range(2):
        expected = [n for n in range(20) if n != 7 and place_of(f"video {shard} {n}") < 0.3]
        assert [held_out.number_in_shard(shard, index) for index in range(len(held_out.places[shard]))] == expected
        assert held_out.places[shard] == [everything.places[shard][number] for number in expected]
        assert sorted(held_out.places[shard] + rest.places[shard]) == everything.places[shard]
    assert everything.number_in_shard(1, 5) == 5


def test_a_host_of_a_part_has_its_own_shards(shards):
    hosts = [Records(shards, num_hosts=2, host=host, part=Part(0.3, False)) for host in range(2)]
    assert [list(records.places) for records in hosts] == [[0], [1]]
    assert sum(records.total for records in hosts) == Records(shards, part=Part(0.3, False)).total
