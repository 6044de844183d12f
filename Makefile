# Each target makes .venv and installs by itself when that is missing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Discriminators of other people, for the tests of adapters; their own dependencies (tensorflow, ...) are not needed.
PEERS := torch-mimicry==0.1.16 pytorch-gan-zoo==0.0.6
QUICK := "not slow and not nightly and not gpu"
# The shapes that annotations of numbers promise, checked in every call, at night: a quarter more time.
SHAPES := --jaxtyping-packages=gan_probe.stats,gan_probe.scoring,gan_probe.studies,tests.check
# Python keeps what it compiled, whatever the shell says: tests start some hundred processes.
TESTS := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.PHONY: setup demo test test-slow nightly fuzz chaos coverage test-coverage test-lowest style check ci docs site check-site golden golden-summary benchmarks bench gallery pictures gpu release clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(PEERS) || echo "without $(PEERS): their tests are skipped"
	touch $(STAMP)

demo: setup  ## the article's experiment, from nothing to a report, in about three minutes
	$(BIN)/gan-probe demo --out .demo --overwrite

test: setup  ## everything but the slow tests, in random order, in about three minutes
	$(TESTS) -n 2 --dist worksteal --timeout 300 -m $(QUICK)

test-slow: setup  ## the slow tests: whole trainings, simulations, kills, several processes
	$(TESTS) -n 2 --dist worksteal -m "slow and not nightly" --timeout 900 --durations 20

nightly: setup test-lowest  ## the simulations in full (do intervals cover the truth as often as they say?), both campaigns, the oldest scikit-learn
	$(TESTS) -n 2 --dist worksteal --timeout 300 $(SHAPES) -m $(QUICK)
	$(TESTS) -n 2 --dist worksteal --timeout 900 $(SHAPES) -m nightly

fuzz: setup  ## hostile inputs for every reader and every verb: make fuzz INPUTS=2000 SEED=0
	OMP_NUM_THREADS=1 $(BIN)/python tests/campaigns/fuzz.py --inputs $(or $(INPUTS),2000) --seed $(or $(SEED),0) --jobs 2 --record benchmarks/records/fuzz.json

chaos: setup  ## kills at every change of the disk, full disks, two writers: make chaos KILLS=240 SEED=0
	OMP_NUM_THREADS=1 $(BIN)/python tests/campaigns/chaos.py --kills $(or $(KILLS),240) --seed $(or $(SEED),0) --record benchmarks/records/chaos.json

coverage: setup  ## do intervals cover the truth as often as they say? remakes the record and the table in the docs
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/interval_coverage.py --jobs $(or $(JOBS),2)
	$(BIN)/python docs/generate.py

test-coverage: setup  ## make test, and how much of the code it runs, by file and in all
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m slipcover --source gan_probe,synthetic --json --out .coverage.json -m pytest -W ignore::pytest.PytestAssertRewriteWarning -n 2 --dist worksteal --timeout 300 -m $(QUICK)
	$(BIN)/python tools/covered.py .coverage.json

test-lowest: setup  ## scikit-learn's checks on the oldest scikit-learn that is supported
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	grep -v -e scikit-learn -e skops constraints.txt > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt torch 'scikit-learn==1.6.*'
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt --editable . pytest beartype 'scikit-learn==1.6.*'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -p no:cacheprovider tests/estimators/test_checks.py

site: setup  ## the documentation as a site in .site/html, notebooks run; warnings are errors; offline once its extra is there
	test -e .venv/.docs || { $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]' && touch .venv/.docs; }
	rm -rf .site/html/_downloads
	$(BIN)/python -m sphinx -q -W --keep-going -d .site/trees docs .site/html

check-site: site  ## every page of the site in a headless Chromium: broken links, findings of axe-core
	$(BIN)/python tools/check_site.py .site/html

golden: setup  ## the same commands on BASE (a commit) and on this tree, compared bit for bit: what a move must not change
	rm -rf .golden && mkdir .golden && git worktree prune && git worktree add --quiet --detach .golden/tree $(BASE)
	OMP_NUM_THREADS=1 PYTHONPATH=.golden/tree $(BIN)/python tests/golden/golden.py run .golden/before
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/golden/golden.py run .golden/after
	git worktree remove --force .golden/tree
	$(BIN)/python tests/golden/golden.py compare .golden/before .golden/after

golden-summary: setup  ## remake tests/golden/summary.json, after a change of numbers that is meant
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python tests/golden/golden.py run .golden/after
	$(BIN)/python tests/golden/golden.py summary .golden/after

style: setup  ## format, lint, types, rooms, and what is generated
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python viewer/build.py --check
	$(BIN)/python docs/generate.py --check

check: style test  ## what a contribution must pass

ci:  ## all that .ci/run checks, with the seconds of each part at the end
	tools/parts.sh setup style test-coverage check-site test-slow

docs: setup  ## the pages that are generated
	$(BIN)/python docs/generate.py

benchmarks: setup  ## remake benchmarks/records
	$(BIN)/python benchmarks/drawing.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/embedder.py
	$(BIN)/python benchmarks/large_table.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/hard_sets.py
	$(BIN)/python benchmarks/article.py
	$(BIN)/python benchmarks/article.py --test article-dev --seeds 1,2,3,4,5
	$(BIN)/python benchmarks/article.py --test article-dev --seeds 1,2,3,4,5 --average 0

bench: setup  ## your own table of speeds, in about ten minutes on an idle machine: one thread, pairs timed in turn
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py
	$(BIN)/python docs/generate.py

gpu: setup  ## what needs a CUDA device: its tests, its benchmark; some minutes, no network
	$(BIN)/python -m pytest -p no:cacheprovider -m gpu tests/training/test_gpu.py
	$(BIN)/python benchmarks/gpu.py

gallery: setup  ## remake reports/: all that is quick and needs no data from elsewhere, or NAME="article collapse" MNIST=mnist.npz
	$(BIN)/python reports/remake.py $(or $(NAME),quick) $(if $(MNIST),--mnist $(MNIST)) $(if $(CLOTHING),--clothing $(CLOTHING))

pictures: setup  ## remake docs/pictures from the pages in reports/, in a headless Chromium
	$(BIN)/python docs/screenshots.py $(NAME)

release:  ## build, try the wheel in a bare environment, tag; DRY=1 stops before the tag
	PYTHON=$(PYTHON) tools/release.sh $(if $(DRY),--dry-run)

clean:
	rm -rf .venv .venv-lowest .site docs/generated .demo .gallery .golden .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build .coverage.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
