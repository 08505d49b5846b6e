import pytest

from watchtower_collector.version import VERSION, read_version


def test_the_version_is_the_one_of_the_repository(repository):
    assert (repository / "VERSION").read_text(encoding="ascii").strip() == VERSION


def test_an_installed_release_keeps_it_beside_the_package(tmp_path):
    (tmp_path / "VERSION").write_text("1.2.3\n", encoding="ascii")
    assert read_version(tmp_path / "watchtower_collector") == "1.2.3"


def test_an_incomplete_installation_names_the_places(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no VERSION file at .* or "):
        read_version(tmp_path / "src" / "watchtower_collector")
