"""`medsegdl models`, run as a person runs it."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from MedSegDLLib import zoo
from MedSegDLLib.__main__ import main
from Testing.engine.small_model import WEIGHTS, write_model

LIBRARY = Path(zoo.__file__).parents[1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with a zoo of one model and an empty cache; nothing is bundled."""
    for variable in ("HOME", "USERPROFILE", "XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("MEDSEGDL_MODELS", str(tmp_path / "listed"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(zoo, "bundled_zoo", lambda: None)
    write_model(tmp_path / "listed")
    return tmp_path


@pytest.fixture
def models(home, capsys):
    """Run `medsegdl models …`; gives status, standard output and standard error."""

    def run(*arguments):
        capsys.readouterr()
        status = main(["models", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def served(home):
    """The address of an archive of the model on a loopback server, and its SHA-256."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    assert main(["models", "export", "small", str(home / "small.zip")]) == 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(home))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/small.zip", hashlib.sha256((home / "small.zip").read_bytes()).hexdigest()
        server.shutdown()


def user_zoo(home):
    return home / "home" / "MedSegDL" / "models"


def downloads(home):
    return list((home / "home" / "MedSegDL" / "downloads").iterdir())


def test_list(models, home):
    status, out, err = models("list")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["ID", "MODALITY", "ANATOMY", "TITLE", "FOLDER"]
    assert out.splitlines()[1].split() == ["small", "MR", "heart", "Small", "model", str(home / "listed" / "small")]


def test_list_tells_of_models_that_cannot_be_used(models, home):
    write_model(home / "listed", "broken", title="")
    write_model(user_zoo(home))
    status, out, err = models("list")
    assert status == 0
    assert "broken" not in out
    assert "title must not be empty" in err
    assert f"{home / 'listed' / 'small'} is hidden by the model of the same id in {user_zoo(home) / 'small'}" in err


def test_list_without_models(models, home, monkeypatch):
    monkeypatch.delenv("MEDSEGDL_MODELS")
    assert models("list") == (0, f"No models in {user_zoo(home)}.\n", "")


def test_show(models, home):
    row = {"data": "ten", "cases": 10, "label": "left", "metric": "dice", "mean": 0.9, "standard_deviation": 0.05, "worst": 0.7}
    write_model(home / "listed", "measured", quality=[row], not_for=["children"])
    status, out, _ = models("show", "measured")
    assert status == 0
    assert "Not for:      children" in out
    assert "ten          10     left   dice    0.9   0.05  0.7" in out
    assert "Its quality has not been measured." in models("show", "small")[1]


def test_one_patient_and_one_case_are_told_in_the_singular(models, home):
    write_model(home / "listed", "one", training={"data": "x.", "data_kind": "real", "patients": 1, "cases": 1})
    assert "x (real images; 1 patient, 1 case)" in models("show", "one")[1]
    assert "0 patients, 0 cases)" in models("show", "small")[1]


def test_show_of_an_unknown_model(models):
    status, out, err = models("show", "smal")
    assert (status, out) == (2, "")
    assert err.startswith("There is no model 'smal'; did you mean 'small'?")
    assert err.count("\n") == 1


def test_verify(models, home):
    write_model(home / "listed", "other")
    assert models("verify") == (0, "other: intact\nsmall: intact\n", "")
    (home / "listed" / "other" / "weights.safetensors").write_bytes(b"changed")
    write_model(home / "listed", "broken", card_version=9)
    status, out, err = models("verify")
    assert (status, out) == (2, "small: intact\n")
    assert "damaged or was changed" in err
    assert "card_version is 9" in err
    assert models("verify", "small") == (0, "small: intact\n", "")
    assert models("verify", "other")[0] == 2


def test_export_and_import(models, home):
    status, out, _ = models("export", "small", home / "small.zip")
    assert status == 0
    assert hashlib.sha256((home / "small.zip").read_bytes()).hexdigest() in out
    assert models("import", home / "small.zip") == (0, f"small: imported into {user_zoo(home) / 'small'}\n", "")
    assert (user_zoo(home) / "small" / "weights.safetensors").read_bytes() == WEIGHTS
    status, _, err = models("import", home / "small.zip")
    assert (status, "add --replace" in err) == (2, True)
    assert models("import", home / "small.zip", "--replace")[0] == 0


def test_import_of_a_folder(models, home):
    folder = write_model(home / "elsewhere")
    status, out, err = models("import", folder)
    assert (status, err) == (0, "")
    assert f"small: imported into {user_zoo(home) / 'small'}" in out
    assert models("verify", "small")[0] == 0
    assert folder.is_dir()


def test_import_of_a_folder_that_is_no_model(models, home):
    (home / "empty").mkdir()
    status, _, err = models("import", home / "empty")
    assert status == 2
    assert "card.json is missing" in err
    assert not user_zoo(home).exists()


def test_import_of_what_is_no_archive(models, home):
    status, _, err = models("import", home / "listed" / "small" / "card.json")
    assert (status, "is not a whole zip file" in err, err.count("\n")) == (2, True, 1)
    assert models("import", home / "absent.zip")[0] == 2


@pytest.mark.parametrize("how", ["flag", "fragment"])
def test_download_with_sha256(models, home, served, how):
    url, sha256 = served
    arguments = ["download", url, "--sha256", sha256] if how == "flag" else ["download", f"{url}#sha256={sha256}"]
    assert models(*arguments) == (0, f"small: downloaded into {user_zoo(home) / 'small'}\n", "")
    assert downloads(home) == []


def test_download_without_sha256_says_what_was_not_checked(models, home, served):
    status, out, _ = models("download", served[0])
    assert (status, "no SHA-256 of the archive itself was given" in out) == (0, True)


def test_download_shows_progress(models, home, served):
    _, out, _ = models("download", served[0], "--progress", "json")
    assert '{"stage": "download", "fraction": 1.0, "seconds_left": 0.0}' in out
    assert "[########################] 100%" in models("download", served[0], "--replace", "--progress", "bar")[2]


@pytest.mark.parametrize("fault", ["another sha256", "no archive", "changed weights", "absent"])
def test_a_download_that_fails_leaves_nothing(models, home, served, fault):
    url, _ = served
    if fault == "no archive":
        (home / "small.zip").write_text("<html>Please log in</html>", encoding="utf-8")
    if fault == "changed weights":
        data = (home / "small.zip").read_bytes()
        (home / "small.zip").write_bytes(data.replace(WEIGHTS[:256], WEIGHTS[:255] + b"x", 1))
    extra = ["--sha256", "0" * 64] if fault == "another sha256" else []
    status, _, err = models("download", url + ("x" if fault == "absent" else ""), *extra)
    assert (status, err.count("\n")) == (2, 1)
    assert downloads(home) == []
    assert not user_zoo(home).exists() or list(user_zoo(home).iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["show"], ["import"], ["download"], ["list", "small"]])
def test_wrong_usage_is_told(models, arguments):
    status, out, err = models(*arguments)
    assert (status, out) == (2, "")
    assert "usage: medsegdl models" in err


def test_as_a_process_without_torch(home):
    """Models can be listed and verified in a Python that has no torch."""
    code = "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None; from MedSegDLLib.__main__ import main; "
    code += "sys.exit(main(['models', 'verify', 'small']))"
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "small: intact\n", "")
