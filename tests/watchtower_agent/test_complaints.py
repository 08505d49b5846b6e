from watchtower_agent.complaints import Complaints

HEALTHY = b"<31>File /var/log/journal/1/system.journal added.\n"
DAMAGED = b"<31>Can't iterate through /var/log/journal/1/a.journal, ignoring: Bad message\n"


def said(*chunks):
    complaints = Complaints()
    for chunk in chunks:
        complaints.add(chunk)
    return complaints


def test_what_is_said_in_good_health_is_no_complaint():
    complaints = said(HEALTHY * 100)
    assert complaints.text() == ""
    assert complaints.damage == ""


def test_what_is_said_at_other_levels_or_without_one_is_shown_without_its_prefix():
    text = HEALTHY + b"<27>Failed to seek: No\n<28>Hm\nno prefix\n" + HEALTHY
    assert said(text).text() == "Failed to seek: No; Hm; no prefix"


def test_only_the_end_is_kept_of_much():
    complaints = said(b"<27>first\n", *[b"<27>again and again\n" * 5000] * 20, b"<27>last\n")
    assert "first" not in complaints.text()
    assert complaints.text().endswith("again and again; last")
    assert len(complaints.text()) < 3000
    assert len(complaints._end) < 100_000


def test_damage_is_noticed_among_what_is_not_shown():
    complaints = said(HEALTHY, DAMAGED, HEALTHY)
    assert complaints.damage == DAMAGED[4:-1].decode()
    assert complaints.text() == ""


def test_a_line_that_names_the_file_is_preferred():
    other = b"<31>Entry item 3 data object is bad, skipping over it: Bad message\n"
    assert said(other).damage.startswith("Entry item 3")
    assert said(other, DAMAGED).damage.startswith("Can't iterate")
    assert said(DAMAGED, other).damage.startswith("Can't iterate")


def test_a_line_may_come_in_two_pieces():
    assert said(HEALTHY + DAMAGED[:40], DAMAGED[40:]).damage == DAMAGED[4:-1].decode()
