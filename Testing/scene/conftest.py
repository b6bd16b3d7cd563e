"""A fresh Slicer scene for every test."""

import importlib.util

import pytest
import slicer

from Testing.scene import headless, workers

headless.start()

# As Slicer is before its user agrees to install PyTorch: what runs a network is left out.
if importlib.util.find_spec("torch") is None:
    collect_ignore = ["runs", "test_batch_script.py", "test_runs_with_worker.py", "test_worker_endurance.py"]


@pytest.fixture(autouse=True)
def scene() -> slicer.vtkMRMLScene:
    slicer.mrmlScene.Clear(0)
    return slicer.mrmlScene


@pytest.fixture
def mark(tmp_path):
    return str(tmp_path)


@pytest.fixture
def start_client(mark):
    """Clients that leave neither a process nor a file, whatever happens in between."""
    clients = []

    def start(start="normal", launcher=(), limits=workers.PATIENT):
        clients.append(workers.WorkerClient(workers.fake_interpreter(mark, start, launcher), limits))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    assert workers.none_lives(mark)
    assert workers.files_of_this_process() == []


@pytest.fixture
def client(start_client):
    return start_client()
