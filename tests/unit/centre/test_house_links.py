"""A centre whose Asterisk has moved starts again."""

from centre import house


def test_a_link_is_made(tmp_path):
    house._link(tmp_path / "link", tmp_path)
    assert (tmp_path / "link").readlink() == tmp_path


def test_a_link_to_what_is_gone_is_made_anew(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    house._link(tmp_path / "link", tmp_path)
    assert (tmp_path / "link").readlink() == tmp_path


def test_a_link_that_is_right_is_left_alone(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    before = (tmp_path / "link").lstat().st_ino
    house._link(tmp_path / "link", tmp_path)
    assert (tmp_path / "link").lstat().st_ino == before
