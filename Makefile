# The two commands that matter are `make run` and `make test`; `make help` lists them all.
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python
OUT    ?= out
TRAIN  ?= 2400
TEST   ?= 800
SEED   ?= 2021
FOLDS  ?= 0

# Two laptop cores: one thread per worker, no server to ask for weights.
export OMP_NUM_THREADS ?= 2
export HF_HUB_OFFLINE  ?= 1

.DEFAULT_GOAL := help

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.PHONY: venv
venv: $(VENV)/.installed  ## the virtual environment: everything in requirements.txt, and the command .venv/bin/seti

SKY      = $(PY) -m seti_utils sky $(OUT)/sky --train $(TRAIN) --test $(TEST) --seed $(SEED)
WHERE    = --folds $(FOLDS) --seeds $(SEED) --data $(OUT)/sky --out $(OUT)
NOTEBOOK = $(PY) -m seti_utils notebook
GIVEN    = -p folds=$(FOLDS) -p seeds=$(SEED) -p data=$(OUT)/sky -p out=$(OUT)

.PHONY: run quick
run: venv  ## the main job: a sky, overlap search, cleaned panels, two networks, a stack with the shipped detectors, submission.csv, one table
	$(SKY)
	$(PY) -m seti_utils overlap search $(OUT)/sky $(OUT)/overlap
	$(PY) -m seti_utils overlap clean $(OUT)/sky $(OUT)/overlap
	$(NOTEBOOK) train $(OUT)/raw.ipynb -p experiment=rung_rising -p overlap=$(OUT)/overlap $(GIVEN)
	$(NOTEBOOK) train $(OUT)/cleaned.ipynb -p experiment=rung_cleaned -p overlap=$(OUT)/overlap $(GIVEN)
	$(PY) -m seti_utils chain sky_stack --overlap $(OUT)/overlap $(WHERE)
	$(PY) -m seti_utils summary sky_stack --overlap $(OUT)/overlap $(WHERE)
quick: venv  ## a sky, one small network, submission.csv and pictures: the shortest way through everything
	$(SKY)
	$(NOTEBOOK) train $(OUT)/train.ipynb -p experiment=sky_demo $(GIVEN)
	$(NOTEBOOK) infer $(OUT)/infer.ipynb -p experiment=sky_demo -p runs=$(OUT) $(GIVEN)
	$(PY) -m seti_utils summary sky_demo $(WHERE)

.PHONY: detector
detector: venv  ## train both shipped detectors anew, measure them, write weights and cards (80 to 150 minutes of one core, 11 GB)
	OMP_NUM_THREADS=1 $(PY) benchmarks/ship_detector.py --out $(OUT)/detector --ship

.PHONY: test test-quick test-numerics margins spread coverage
test: venv  ## every test
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 2 --dist loadfile
test-quick: venv  ## every test but those marked slow
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 2 --dist loadfile -m "not slow"
test-numerics: venv  ## what depends on rounding or training, as every processor this one can pass for, one thread and two
	$(PY) benchmarks/numerics.py
margins: venv  ## what every learning test reaches over twelve seeds, beside its bar
	OMP_NUM_THREADS=1 $(PY) benchmarks/margins.py
spread: venv  ## how far the figures of `make run` spread over seeds and machines: hours; resumes where it was stopped
	$(PY) benchmarks/spread.py
coverage: venv  ## every test in one process, and the lines and branches that none of them runs (in out/coverage/)
	OMP_NUM_THREADS=1 $(PY) -m pytest -q --cov --cov-report=term --cov-report=html:$(OUT)/coverage

.PHONY: check
check: venv  ## what a reviewer would ask first: lint, format, types, dead code, dependencies
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)
	$(PY) -c "from seti_utils.log.specs import SPECS; print(*(spec.does.split(':')[1] for spec in SPECS.values()), sep='\n')" > $(VENV)/features.py
	$(PY) -m vulture seti_utils notebooks benchmarks $(VENV)/features.py  # the log names what does the work of its features as text
	$(PY) -m deptry .

.PHONY: test-setigen
test-setigen: venv  ## our needles against setigen's, both ways; setigen gets an environment of its own
	$(PYTHON) -m venv $(VENV)/setigen
	$(VENV)/setigen/bin/python -m pip install --quiet --disable-pip-version-check "setigen==2.7.0" "blimpy==2.1.4" "setuptools<82"
	SETIGEN_PYTHON=$(VENV)/setigen/bin/python $(PY) -m pytest -q tests/test_setigen.py

.PHONY: notebooks
notebooks: venv  ## write notebooks/*.ipynb from their py:percent sources
	cd notebooks && ../$(PY) -m jupytext --update --to ipynb *.py

.PHONY: experiments
experiments: venv  ## write EXPERIMENTS.md from the log
	$(PY) -m seti_utils log --markdown EXPERIMENTS.md $(if $(wildcard benchmarks/results/replicate_log.csv),--measured benchmarks/results/replicate_log.csv)

# --- Kaggle: the same steps as `python -m seti_utils kaggle …`, for one experiment and its folds ---
EXP     ?= exp0023
FOLD    ?= 0
MESSAGE ?= $(EXP)
DATASET ?=
SOURCES  = $(if $(DATASET),--dataset $(DATASET))
KAGGLE   = $(PY) -m seti_utils kaggle

.PHONY: weights push push-infer wait fetch submit data kaggle-demo
weights: venv  ## pretrained weights of EXP as a dataset of yours: YOU/seti-pretrained-weights
	$(KAGGLE) weights $(EXP)
push: venv  ## build, check and push train kernels: make push EXP=exp0011 FOLD=0,1 DATASET=YOU/seti-pretrained-weights
	$(KAGGLE) build train $(EXP) --folds $(FOLD) --seeds $(SEED) $(SOURCES) --out build --push
push-infer: venv  ## build, check and push the infer kernel of those folds
	$(KAGGLE) build infer $(EXP) --folds $(FOLD) --seeds $(SEED) --out build --push
wait: venv  ## wait for all kernels in build/; fails when one failed, and says why
	$(KAGGLE) wait build/seti-*
fetch: venv  ## bring the verified output of all kernels in build/ to runs/kaggle
	$(KAGGLE) fetch build/seti-* --out runs/kaggle
submit: venv  ## check and send FILE=…/submission.csv: make submit FILE=… MESSAGE=…
	$(KAGGLE) submit $(FILE) -m "$(MESSAGE)"
data: venv  ## download the competition into data/ (240 GB must be free, 84 GB stay)
	$(KAGGLE) data data
kaggle-demo: venv  ## the whole story against a small Kaggle on this machine, with the real client
	$(PY) benchmarks/kaggle_demo.py

.PHONY: clean
clean:  ## remove what `make run` made (not the virtual environment)
	rm -rf $(OUT)
