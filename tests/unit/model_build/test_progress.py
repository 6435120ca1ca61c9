from __future__ import annotations

from model_build.progress import progress_on_stderr


def test_a_line_for_every_tenth_and_none_twice(capsys):
    with progress_on_stderr({"detect": "stars looked at"}) as progress:
        for done in range(1, 1001):
            progress("detect", done, 1000)
        progress("write", 3, 3)
        progress("empty", 0, 0)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "stars looked at: 100 of 1,000"
    assert told[9] == "stars looked at: 1,000 of 1,000"
    assert told[10:] == ["write: 3 of 3"]
