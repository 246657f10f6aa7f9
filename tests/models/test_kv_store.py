"""The store of conditions' K and V keeps what fits, in an order that survives being asked for in turn."""

import logging

import pytest
import torch

from comfyui_fulldit.models.conditioning.kv_cache import ConditionKVCache
from comfyui_fulldit.models.conditioning.kv_store import KVCacheStore, Room

SIZE = 2 * 4 * 100  # bytes of a cache of `cache`


def cache(value: float) -> ConditionKVCache:
    return ConditionKVCache(layers=((torch.full((1, 10, 10), value), torch.full((1, 10, 10), -value)),))


def ask(store: KVCacheStore, key: int, room: Room) -> float:
    """The value that the store holds for a key."""
    got = store.get((key,), lambda: cache(float(key)), lambda: room)
    assert torch.equal(got.layers[0][0], cache(float(key)).layers[0][0])
    assert torch.equal(got.layers[0][1], cache(float(key)).layers[0][1])
    return float(got.layers[0][0][0, 0, 0])


@pytest.mark.parametrize(
    ("device", "main", "made"),
    [(3, 0, 3), (2, 0, 3 + 2), (0, 0, 9), (0, 3, 3), (1, 2, 3), (1, 1, 3 + 2)],
    ids=["all fit", "two fit", "none fits", "all in main memory", "one beside two", "one beside one"],
)
def test_what_fits_is_made_once_when_three_are_asked_for_in_turn(device, main, made):
    store, room = KVCacheStore(), Room(device * SIZE, main * SIZE)
    store.start_run()
    for _ in range(3):  # three steps
        assert [ask(store, key, room) for key in (1, 2, 3)] == [1, 2, 3]
    assert store.made == made
    assert store.held(on_device=True) <= room.device and store.held(on_device=False) <= room.main
    assert store.nbytes == store.held(on_device=True) + store.held(on_device=False)


def test_the_caches_of_an_earlier_run_make_room():
    store, room = KVCacheStore(), Room(2 * SIZE)
    store.start_run()
    for key in (1, 2):
        ask(store, key, room)
    store.start_run()
    ask(store, 2, room)  # the same prompt's
    ask(store, 3, room)
    for key in (2, 3, 2, 3):
        ask(store, key, room)
    assert store.made == 3
    ask(store, 1, room)
    assert store.made == 4


def test_windows_that_never_come_again_leave_the_memory_bounded_and_it_is_said_once(caplog):
    store, room = KVCacheStore(), Room(2 * SIZE)
    store.start_run()
    with caplog.at_level(logging.WARNING):
        for key in range(50):
            ask(store, key, room)
    assert store.nbytes == 2 * SIZE and store.made == 50
    assert [record.message for record in caplog.records] == [
        "FullDiT: there is no memory to keep the keys and values of all conditions (0 MB more are needed); some are "
        "computed again at every step."
    ]


def test_room_is_asked_for_only_where_something_is_made():
    store, asked = KVCacheStore(), []

    def room() -> Room:
        asked.append(1)
        return Room(SIZE)

    for _ in range(4):
        store.get((1,), lambda: cache(1.0), room)
    assert len(asked) == 1


def test_trimming_forgets_the_least_recently_used():
    store, room = KVCacheStore(), Room(3 * SIZE)
    for key in (1, 2, 3, 1):
        ask(store, key, room)
    store.trim(2 * SIZE)
    assert store.nbytes == 2 * SIZE
    ask(store, 1, room)
    ask(store, 3, room)
    assert store.made == 3
    store.trim(0)
    assert store.nbytes == 0


def test_a_copy_in_main_memory_is_the_callers_alone():
    ours = cache(2.0)
    copy = ours.in_main_memory()
    ours.layers[0][0].zero_()
    assert float(copy.layers[0][0].mean()) == 2.0
    empty = ConditionKVCache(tokens=torch.ones(1, 2, 4), rope=(torch.ones(2, 1, 2), torch.zeros(2, 1, 2)))
    moved = empty.to("meta")
    assert moved.tokens is not None and moved.tokens.is_meta and moved.rope is not None and moved.rope[1].is_meta
    assert moved.strength is None and moved.layers == ()
