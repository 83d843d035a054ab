# Two commands do everything: `make demo` and `make test`. Both make their environment in .venv first.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
EXTRAS := train,tflite,micro,onnx,import,audio,cc,npu,boards,sign,mqtt,dev

.PHONY: demo test lint bench bench-boards bench-cells bench-kernels clean
.DEFAULT_GOAL := test

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

demo: $(READY)
	$(BIN)/python bench/demo.py

test: $(READY) lint
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every figure in README and docs. Data sets are looked for in EDGE_LSTM_DATA.
bench: $(READY)
	$(BIN)/python bench/accuracy.py
	$(BIN)/python bench/signal_to_noise.py
	$(BIN)/python bench/export_time.py
	$(BIN)/python bench/step_time.py
	$(BIN)/python bench/monitor_cost.py
	$(BIN)/python bench/drift_alarm.py

# What streams cost on boards: starts, memory, ten million steps; instructions on 64-bit Arm; a deploy. Needs `make demo` and root.
bench-boards: $(READY)
	$(BIN)/python bench/on_board.py build/demo
	$(BIN)/python bench/arm64_step.py
	$(BIN)/python bench/deploy_time.py build/demo

# Instructions of every kernel on every emulated core.
bench-kernels: $(READY)
	$(BIN)/python bench/kernels.py

# Accuracy of four cells against flash, RAM and instructions; half an hour, and goes on where it was stopped.
bench-cells: $(READY)
	$(BIN)/python bench/cells_table.py

clean:
	rm -rf build .venv
