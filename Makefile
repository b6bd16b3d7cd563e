# Every target makes the environment that it needs: one command is enough in a fresh clone.
PYTHON = python3 python3.12 python3.11 python3.10 python3.13
BENCH =

SLICER_PYTHON = python3.12

.PHONY: install demo test test-slicer lint bench soak

install:
	@.ci/environment .venv $(PYTHON)

demo: install
	@.venv/bin/python -m MedSegDLLib.demo

test: lint
	@.venv/bin/python .ci/tests

# The scene's tests on the Python that Slicer bundles, without torch: what runs no network.
test-slicer:
	@.ci/environment .venv-slicer $(SLICER_PYTHON)
	@OMP_NUM_THREADS=1 .venv-slicer/bin/python -m pytest Testing/scene

lint: install
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

# What takes many minutes: a run that is killed a hundred times, a worker that is started and killed a thousand times.
soak: install
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m soak -s

bench:
	@.ci/environment .venv-bench $(PYTHON)
	@.venv-bench/bin/python -m Testing.benchmarks $(BENCH)
