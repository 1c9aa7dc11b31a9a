# The chain search → train → prune → export → bench → report, and what a contributor runs.
# Everything lands in .venv; nothing else has to be set up but Python 3.11 or newer.

PYTHON ?= python3
# The address of an extra package index for pip, such as PyTorch's index of CPU builds (see pytorch.org, "Get started").
EXTRA_INDEX ?=
PHOTOS ?= sample_images
RUN ?= runs/photos
SEARCH_BUDGET ?= 10m
TRAIN_BUDGET ?= 10m
KEEP_MACS ?= 0.6
IMAGES ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_FLAGS := -q -c constraints.txt $(if $(EXTRA_INDEX),--extra-index-url $(EXTRA_INDEX))

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-denoise demo-video targets android test check format search train prune export bench report clean \
	$(shell grep -oE '^benchmark-[a-z-]+' $(firstword $(MAKEFILE_LIST)))

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24
	@echo
	@echo "Variables: PYTHON EXTRA_INDEX PHOTOS RUN SEARCH_BUDGET TRAIN_BUDGET KEEP_MACS IMAGES"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 6; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade pip
	$(BIN)/python -m pip install $(PIP_FLAGS) torch==$$(sed -n 's/^torch==//p' constraints.txt)
	$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@

setup: $(INSTALLED)  ## Make .venv and install pixsearch with everything pinned

demo: setup  ## The main job on sample_images: search, train, prune, export, bench, report (8 minutes)
	$(BIN)/pixsearch run sample_images/demo.yaml --out runs/demo --again

demo-denoise: setup  ## The same for denoising (4 minutes)
	$(BIN)/pixsearch run sample_images/denoise.yaml --out runs/demo-denoise --again

demo-video: setup  ## The same for video, on clips made of the photos (5 minutes)
	$(BIN)/pixsearch run sample_images/video.yaml --out runs/demo-video --again

targets: setup  ## What the bench targets arm64, ssh and adb need, fetched into the user's cache
	$(BIN)/pixsearch target setup arm64

android: setup  ## ONNX Runtime for Android, for target adb with --ep and the tests of its providers (150 MB)
	$(BIN)/pixsearch target setup android

test: setup  ## The test suite
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist loadfile

check: setup  ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

search: setup  ## Search on PHOTOS into RUN
	$(BIN)/pixsearch search $(PHOTOS) --budget $(SEARCH_BUDGET) --out $(RUN)

train: setup  ## Train the knee of RUN's front
	$(BIN)/pixsearch train $(RUN) --pick knee --budget $(TRAIN_BUDGET)

prune: setup  ## Remove channels of RUN's model down to KEEP_MACS of its multiply-adds
	$(BIN)/pixsearch prune $(RUN) --keep-macs $(KEEP_MACS)

export: setup  ## Write RUN's models as ONNX, float and int8
	$(BIN)/pixsearch export $(RUN) --int8

bench: setup  ## Measure RUN's exported models on the photos in IMAGES
	@test -n "$(IMAGES)" || { echo "Name the folder of photos to report on, none of which was trained on: make bench IMAGES=..." >&2; exit 2; }
	$(BIN)/pixsearch bench $(RUN) --images $(IMAGES)

report: setup  ## Write RUN/report.html
	$(BIN)/pixsearch report $(RUN)

benchmark-overhead: setup  ## Samples per second of train against a bare PyTorch loop
	$(BIN)/python benchmarks/train_overhead.py

benchmark-startup: setup  ## Wall time of pixsearch --help
	$(BIN)/python benchmarks/startup.py

benchmark-data: setup  ## Index and cache of 800 2K photos: time, memory, disk
	$(BIN)/python benchmarks/data_index.py

benchmark-hypervolume: setup  ## nsga2 against random (DATA=..., VAL=...); resumes row by row
	$(BIN)/python benchmarks/search_hypervolume.py --data $(DATA) --val $(VAL)

benchmark-guidance: setup  ## esr-ea with and without credits against random, in erdb (DATA=..., VAL=...); resumes row by row
	$(BIN)/python benchmarks/search_hypervolume.py --data $(DATA) --val $(VAL) --space erdb --strategies esr-ea esr-ea-unguided random \
		--results benchmarks/results/search_hypervolume_erdb.json

benchmark-blockqnn: setup  ## blockqnn against random in nsc, and its early stop (DATA=..., VAL=...); resumes row by row
	$(BIN)/python benchmarks/blockqnn_early.py --data $(DATA) --val $(VAL)
	$(BIN)/python benchmarks/blockqnn.py --data $(DATA) --val $(VAL) --search-minutes 4 --bound 300M --proxy-steps 300 --population 8 \
		--moments 1 --members 4 --retrain-steps 1000 --seeds 2 3 4

benchmark-vega: setup  ## Candidates a minute of esr-ea against Vega's (VEGA=.../bin/vega); resumes row by row
	$(BIN)/python benchmarks/vega_speed.py --vega $(VEGA)

benchmark-quantization: setup  ## What int8 costs, with and without training for it (DATA=..., SET5=..., B100=...); resumes row by row
	$(BIN)/python benchmarks/quantization.py --data $(DATA) --set Set5=$(SET5) --set B100=$(B100)

benchmark-bits: targets  ## What a format for each layer recovers of int8's loss (DATA=..., SET5=..., B100=...); resumes row by row
	$(BIN)/python benchmarks/quant_bits.py --data $(DATA) --set Set5=$(SET5) --set B100=$(B100)

benchmark-prune: setup  ## Strategies of prune and a training from scratch, equal CPU time (DATA=..., SET5=..., B100=...); resumes row by row
	$(BIN)/python benchmarks/prune_strategies.py --data $(DATA) --set Set5=$(SET5) --set B100=$(B100)

benchmark-demo: setup  ## The demo's wall time by stage
	$(BIN)/python benchmarks/demo_time.py

benchmark-workers: setup  ## Candidates a minute in one process, in a pool and on Ray
	$(BIN)/python benchmarks/search_workers.py

benchmark-ranking: setup  ## Do shared weights rank networks of one cost (DATA=..., VAL=...); resumes row by row
	$(BIN)/python benchmarks/supernet_ranking.py --data $(DATA) --val $(VAL)

benchmark-augment: setup  ## What augmentation is worth where photos are few (DATA=..., SETS=...); resumes row by row
	$(BIN)/python benchmarks/augmentation.py --data $(DATA) --sets $(SETS) --seeds 0 1 2

benchmark-video: setup  ## What other frames are worth: stacked and recurrent against one frame (DATA=..., VAL=...: clips); resumes row by row
	$(BIN)/python benchmarks/video_quality.py --data $(DATA) --val $(VAL)

benchmark-ladder: targets  ## From a large video prototype to int8 on a phone, rung by rung (DATA=..., VAL=...: clips); resumes where it was stopped
	$(BIN)/python benchmarks/prototype_ladder.py --data $(DATA) --val $(VAL)

benchmark-dynamic: setup  ## Networks with kernels that adapt to the picture beside their static twins (DATA=..., SETS=...); resumes row by row
	$(BIN)/python benchmarks/dynamic_kernels.py --data $(DATA) --sets $(SETS)

benchmark-dynamic-search: setup  ## Two searches, one of which may use dynamic operators (DATA=..., SETS=...); resumes search by search
	$(BIN)/python benchmarks/dynamic_search.py --data $(DATA) --val $(SETS)/Set5

benchmark-arm-ncnn: targets  ## Modelled against published latency: nine networks on nine boards and phones (NCNN=its networks); resumes row by row
	$(BIN)/python benchmarks/arm_ncnn.py --params $(NCNN)

benchmark-arm: targets  ## Outputs and modelled latency of one network on emulated Arm cores, float and int8; resumes row by row
	$(BIN)/python benchmarks/arm_formats.py --height 64 --width 64

benchmark-arm-costs: targets  ## The table of operator costs against whole networks on an emulated A76; resumes row by row
	$(BIN)/python benchmarks/arm_costs.py

benchmark-arm-engines: targets  ## One network in ONNX Runtime and in ncnn on emulated Arm cores; resumes row by row
	$(BIN)/python benchmarks/arm_engines.py

benchmark-engines: setup  ## One network in ONNX Runtime and in LiteRT on this machine, in an environment of its own (.venv-engines)
	$(BIN)/python benchmarks/engines.py

clean:  ## Remove what the targets above made, but for .venv and runs
	rm -rf build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
