from threading import Thread

import pytest

from rampline.numerics.compile_turn import CompileTurn


def test_whoever_comes_second_waits_until_the_first_task_ends(tmp_path):
    first, second, order = CompileTurn(), CompileTurn(), []

    def come_second():
        with second.task():
            order.append(second.take(str(tmp_path)))

    with first.task():
        assert first.take(str(tmp_path))
        waiting = Thread(target=come_second)
        waiting.start()
        # without a wait it would be through at once
        waiting.join(timeout=0.2)
        order.append("first ends")
    waiting.join()
    assert order == ["first ends", False]


def test_the_turn_lasts_until_the_end_of_the_task_and_no_longer(tmp_path):
    first, second = CompileTurn(), CompileTurn()
    with first.task():
        assert first.take(str(tmp_path))
        assert first.take(str(tmp_path))
    with second.task():
        assert second.take(str(tmp_path))


def test_who_has_waited_holds_nobody_up(tmp_path):
    turns = [CompileTurn() for _ in range(3)]
    found = []

    def come_later(own):
        with own.task():
            found.append(own.take(str(tmp_path)))

    with turns[0].task():
        assert turns[0].take(str(tmp_path))
        waiting = [Thread(target=come_later, args=(own,)) for own in turns[1:]]
        for thread in waiting:
            thread.start()
    for thread in waiting:
        thread.join()
    with CompileTurn().task(), turns[0].task():
        assert turns[0].take(str(tmp_path))
    assert len(found) == len(waiting)


def test_outside_of_a_task_nobody_is_held_up(tmp_path):
    first, second = CompileTurn(), CompileTurn()
    assert first.take(str(tmp_path))
    with second.task():
        assert second.take(str(tmp_path))
        assert first.take(str(tmp_path))


def test_an_error_gives_the_turn_back(tmp_path):
    first, second = CompileTurn(), CompileTurn()
    with pytest.raises(ZeroDivisionError), first.task():
        first.take(str(tmp_path))
        raise ZeroDivisionError
    with second.task():
        assert second.take(str(tmp_path))


def test_without_a_folder_to_write_in_everybody_compiles(tmp_path):
    own = CompileTurn()
    with own.task():
        assert own.take(str(tmp_path / "nowhere"))
