import os

import pytest

from MedSegDLScene import line_pipes
from MedSegDLScene.line_pipes import LineReader, LineWriter


@pytest.fixture
def pipe():
    read, write = (os.fdopen(number, mode, 0) for number, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    yield read, write
    read.close()
    write.close()


def test_lines_come_whole_and_nothing_is_waited_for(pipe):
    read, write = pipe
    reader = LineReader(read)
    assert reader.lines() == []
    write.write(b"one\ntwo\nthr")
    assert reader.lines() == [b"one", b"two"]
    assert reader.lines() == []
    write.write(b"ee\n\nfour\r\n")
    assert reader.lines() == [b"three", b"", b"four\r"]
    assert not reader.ended


def test_the_last_line_may_be_a_part(pipe):
    read, write = pipe
    reader = LineReader(read)
    write.write(b"one\ntw")
    write.close()
    assert reader.lines() == [b"one", b"tw"]
    assert reader.ended
    assert reader.lines() == []


def test_a_line_without_end_is_cut(pipe, monkeypatch):
    monkeypatch.setattr(line_pipes, "LONGEST_LINE", 10)
    read, write = pipe
    reader = LineReader(read)
    write.write(b"123456789")
    assert reader.lines() == []
    write.write(b"0123")
    assert reader.lines() == [b"1234567890123"]


def test_one_look_reads_so_much_and_no_more(pipe, monkeypatch):
    monkeypatch.setattr(line_pipes, "_LARGEST_LOOK", 10)
    monkeypatch.setattr(line_pipes, "_AT_ONCE", 8)
    read, write = pipe
    reader = LineReader(read)
    write.write(b"123\n" * 10)
    assert len(reader.lines()) == 4
    assert [len(reader.lines()) for _ in range(3)] == [4, 2, 0]


def test_what_the_other_end_does_not_take_yet_is_kept(pipe):
    read, write = pipe
    writer, reader = LineWriter(write), LineReader(read)
    data = b"".join(b"%d\n" % number for number in range(50_000))  # more than a pipe holds
    writer.write(data[:100_000])
    writer.write(data[100_000:])
    lines = []
    while len(lines) < 50_000:
        writer.flush()
        lines += reader.lines()
    assert lines == [b"%d" % number for number in range(50_000)]
    assert not writer.broken


def test_an_end_that_nobody_reads_is_broken_without_an_error(pipe):
    read, write = pipe
    writer = LineWriter(write)
    read.close()
    writer.write(b"one\n")
    assert writer.broken
    writer.write(b"two\n")


def test_closed_ends_do_nothing(pipe):
    read, write = pipe
    writer, reader = LineWriter(write), LineReader(read)
    writer.close()
    reader.close()
    writer.write(b"one\n")
    assert (reader.lines(), reader.ended, writer.broken) == ([], True, True)
