import sys

import pytest

from rampline.__main__ import main


class _Interrupt:
    """Ctrl-C, pressed while the door is imported."""

    def find_spec(self, name, *_):
        if name == "rampline.cli":
            raise KeyboardInterrupt


def test_an_interrupt_before_the_door_is_open_is_one_line(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "rampline.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Interrupt(), *sys.meta_path])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "rampline: stopped\n"
