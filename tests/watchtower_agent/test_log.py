import logging

import pytest

from watchtower_agent.log import set_up_logging


@pytest.fixture
def logger():
    logger = logging.getLogger("watchtower_agent")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logging.getLogger("watchtower_agent.test")
    logger.handlers[:], logger.level, logger.propagate = before


def test_every_line_has_a_priority_under_systemd(logger, monkeypatch, capsys):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    set_up_logging()
    logger.info("calm")
    logger.warning("hm")
    logger.error("one\ntwo")
    logger.debug("not shown")
    assert capsys.readouterr().err == "<6>calm\n<4>hm\n<3>one\n<3>two\n"


def test_a_terminal_gets_plain_lines(logger, monkeypatch, capsys):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    set_up_logging()
    logger.error("one")
    assert capsys.readouterr().err == "one\n"
