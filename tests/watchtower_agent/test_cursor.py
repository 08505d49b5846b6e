from watchtower_agent.cursor import Cursor

TEXT = f"s={'a' * 32};i=7;b={'b0' * 16};m=1e8480;t=64441c94b9240;x=7c478360eff6aaa0"


def test_a_cursor_says_when_its_entry_was_written():
    cursor = Cursor.read(TEXT)
    assert cursor.boot_id == "b0" * 16
    assert cursor.monotonic == 2_000_000
    assert cursor.realtime == 1_763_899_201_000_000


def test_a_copy_in_another_file_is_the_same_entry():
    copy = TEXT.replace("a" * 32, "c" * 32).replace("i=7", "i=1")
    assert Cursor.read(copy).identity == Cursor.read(TEXT).identity
    for change in ("b=b", "m=1", "t=6", "x=7"):
        other = TEXT.replace(f";{change}", f";{change}1", 1)
        assert Cursor.read(other).identity != Cursor.read(TEXT).identity


def test_a_cursor_in_another_form_is_the_same_as_itself_only():
    for odd in ("", "garbage", "s=;i=;b=;m=;t=;x=", "b=1;m=2;t=3"):
        assert Cursor.read(odd).identity == (odd,)
        assert Cursor.read(odd).monotonic is None
    assert Cursor.read(TEXT.replace("m=1e8480", "m=xyz")).monotonic is None
