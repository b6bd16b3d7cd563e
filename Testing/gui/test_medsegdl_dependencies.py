"""The banner of MedSegDL's panel: what is missing, its installation, a failure that is explained, and going on afterwards."""

from __future__ import annotations

import importlib

import pytest

from MedSegDLScene import dependencies
from MedSegDLScene.dependencies import TORCH, Package
from Testing.gui import harness
from Testing.gui.medsegdl_panel import add_volume, open_panel, take_commands
from Testing.scene.fake_client import FakeClient


@pytest.fixture
def missing(monkeypatch):
    """What is missing, as a list that a test may change."""
    packages = [TORCH, Package("safetensors", "0.4.3")]
    monkeypatch.setattr(dependencies, "missing", lambda _: tuple(packages))
    return packages


@pytest.fixture
def commands(monkeypatch):
    return take_commands(monkeypatch)


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def panel(missing, commands, client, monkeypatch):
    panel = open_panel(client, monkeypatch)
    add_volume()
    return panel


def install(panel):
    harness.answer("Ok")
    harness.click(panel.ui.installButton)


def test_where_nothing_is_missing_there_is_no_banner(missing, client, monkeypatch):
    missing.clear()
    panel = open_panel(client, monkeypatch)
    assert not panel.ui.dependenciesFrame.visible


def test_it_says_what_is_missing_and_how_much_comes(panel, client):
    assert "PyTorch, safetensors" in panel.ui.dependenciesLabel.text
    assert "GB" in panel.ui.dependenciesLabel.text
    assert not panel.ui.applyButton.enabled
    assert "not installed yet" in panel.ui.reasonLabel.text
    assert client.warmed == []
    harness.grab(panel, "medsegdl_missing")


def test_it_asks_first_and_no_means_no(panel, commands):
    harness.answer("Cancel")
    harness.click(panel.ui.installButton)
    (dialog,) = harness.take_shown()
    assert "about 0.3 GB" in dialog.text
    assert "nothing about you or your patients is sent" in dialog.text
    assert commands == []


def test_installing_shows_the_log_and_leaves_the_panel_alive(panel, commands):
    install(panel)
    assert commands[0].arguments == ["-m", "pip", "install", "torch>=2.4"]
    commands[0].say("Collecting torch>=2.4", "  Downloading torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl (887.9 MB)")
    harness.wait_until(lambda: panel.ui.installLog.visible)
    harness.process_events(0.05)
    assert "Downloading torch-2.8.0" in panel.ui.installLog.plainText
    harness.grab(panel, "medsegdl_installing")
    harness.click(panel.ui.optionsButton)
    assert not panel.ui.optionsButton.collapsed


def test_with_the_pytorch_extension_its_own_way_is_taken(panel, commands, monkeypatch):
    monkeypatch.setattr(dependencies, "has_pytorch_extension", lambda: True)
    install(panel)
    commands[0].end(0)
    harness.wait_until(lambda: len(commands) == 2)
    assert commands[1].arguments[:3] == ["-m", "light_the_torch", "install"]


def test_afterwards_it_goes_on_without_a_restart(panel, commands, missing, client):
    install(panel)
    commands[0].end(0)
    harness.wait_until(lambda: len(commands) == 2)
    missing.clear()
    commands[1].end(0)
    harness.wait_until(lambda: panel.ui.applyButton.enabled)
    assert not panel.ui.dependenciesFrame.visible
    assert len(client.warmed) == 1


def test_a_failure_is_explained_and_the_log_stays(panel, commands):
    install(panel)
    commands[0].end(1, "Collecting torch>=2.4", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left")
    harness.wait_until(lambda: panel.ui.installButton.visible)
    harness.process_events(0.05)
    assert not panel.ui.installBar.visible
    assert "Errno 28" in panel.ui.installLog.plainText
    assert "the disk is full" in panel.ui.dependenciesLabel.text
    assert "Still missing: PyTorch, safetensors." in panel.ui.dependenciesLabel.text
    assert not panel.ui.applyButton.enabled
    harness.grab(panel, "medsegdl_install_failed")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Failed to establish a new connection: [Errno 11001] getaddrinfo failed", "cannot be reached"),
        ("[Errno 13] Permission denied: '/opt/Slicer'", "cannot be written to"),
        ("ERROR: No matching distribution found for torch>=2.4", "no build"),
        ("Killed", "the details say"),
    ],
)
def test_each_failure_has_its_own_sentence(panel, commands, line, words):
    install(panel)
    commands[0].end(1, line)
    harness.wait_until(lambda: words in panel.ui.dependenciesLabel.text)


def test_installing_can_be_stopped_and_taken_up_again(panel, commands):
    install(panel)
    harness.click(panel.ui.installCancelButton)
    assert commands[0].cancelled
    assert not panel.ui.installCancelButton.enabled
    commands[0].end(-15)
    harness.wait_until(lambda: panel.ui.installButton.visible)
    assert "was stopped" in panel.ui.dependenciesLabel.text
    install(panel)
    assert len(commands) == 2


def test_closing_slicer_ends_the_installer(panel, commands):
    install(panel)
    harness.close_modules()
    assert commands[0].cancelled


def test_coming_back_to_the_module_disturbs_no_installation(panel, commands):
    install(panel)
    panel.parent.exit()
    panel.parent.enter()
    assert panel.ui.installBar.visible
    assert "Installing" in panel.ui.dependenciesLabel.text


def test_packages_that_came_by_another_way_are_seen_when_the_module_is_opened(panel, missing):
    missing.clear()
    panel.parent.exit()
    panel.parent.enter()
    assert not panel.ui.dependenciesFrame.visible
    assert panel.ui.applyButton.enabled


def test_on_an_intel_mac_a_sentence_says_why_not(missing, client, monkeypatch):
    monkeypatch.setattr(dependencies, "has_torch_builds", lambda: False)
    panel = open_panel(client, monkeypatch)
    assert "Intel Macs" in panel.ui.dependenciesLabel.text
    assert not panel.ui.installButton.visible
    harness.grab(panel, "medsegdl_intel_mac")


def test_a_python_that_cannot_be_started_is_a_failure_with_a_log(missing, client, monkeypatch):
    from MedSegDLScene.interpreter import Interpreter

    panel = open_panel(client, monkeypatch)
    real = importlib.import_module("MedSegDLScene.command_process").CommandProcess
    nowhere = Interpreter(("/nowhere/PythonSlicer",), {})
    monkeypatch.setattr(importlib.import_module("MedSegDLPanel.panel"), "CommandProcess", lambda _, a: real(nowhere, a))
    install(panel)
    harness.wait_until(lambda: "details" in panel.ui.dependenciesLabel.text)
    assert "cannot be started" in panel.ui.installLog.plainText
