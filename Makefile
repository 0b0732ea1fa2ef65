# Every target sets up what it needs first. `make demo` and `make test` are all a new reader has to know.
CATALOGUE ?= $(or $(PACKSHOT_CATALOGUE),examples/catalogue)
STORE ?= $(or $(PACKSHOT_STORE),store)
PORT ?= 3000
MINUTES ?= 60
BIN := .venv/bin

export PACKSHOT_CATALOGUE := $(CATALOGUE)
export PACKSHOT_STORE := $(STORE)
# One BLAS or OpenMP pool per process: oversubscribed threads are several times slower.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: train-data train-run train-eval setup demo test run ui lint lock examples clean bench-batches bench-render bench-ingest bench-refine bench-sentinel bench-sensor bench-night bench-scale bench-scores bench-faults bench-reference proof proof-lock

setup:
	@./setup.sh

demo: setup  ## the example catalogue, from meshes to the report page
	@echo "demo: the example catalogue, into $(STORE)/"
	@$(BIN)/python -m sensors.refresh --catalogue examples/catalogue --store $(STORE)
	@echo "demo: a damaged twin of the sneaker's hero image, which has to fail; its page goes to $(STORE)/damaged/"
	@$(BIN)/packshot score examples/damaged --catalogue examples/catalogue --store $(STORE) --out $(STORE)/damaged; test $$? -eq 1

test: setup  ## the whole suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile

run: setup  ## make run CATALOGUE=folder-or-s3:// STORE=folder-or-s3://
	@$(BIN)/python -m sensors.refresh

ui: setup  ## the Dagster UI on the same records as `make run`
	@echo "ui: http://localhost:$(PORT)"
	@DAGSTER_HOME="$$($(BIN)/python -m sensors.home $(STORE))" $(BIN)/dagster dev -w workspace.yaml -p $(PORT)

lint: setup  ## style and strict types
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench-sensor: setup  ## one look at 100,000 files, and its requests to S3 (docs/triggers.md)
	@$(BIN)/python -m benchmarks.sensor_ticks 2>/dev/null

bench-batches: setup  ## how scattered SKUs should share runs (docs/batches.md)
	@$(BIN)/python -m benchmarks.scattered_batches 2>/dev/null

proof: setup  ## the renderer against the corpus's references and against path tracing; sheets go to proof/
	@$(BIN)/python -m benchmarks.proof_khronos --out proof
	@$(BIN)/python -m benchmarks.proof_unwrap --out proof
	@$(BIN)/python -m benchmarks.proof_pathtrace --out proof

proof-lock: setup  ## the identity lock against path-traced truths, damaged as strong refiners do; sheets go to proof/
	@$(BIN)/python -m benchmarks.proof_lock --out proof

train-data: setup  ## pairs of pictures to train and to evaluate on, from seeds: about an hour on two cores
	@$(BIN)/python -m training.pairs --out training-data
	@$(BIN)/python -m training.pairs --out training-data --held-out
	@$(BIN)/python -m training.real_products --out training-data/real

train-run: setup  ## both networks, one per core; goes on where it stopped (MINUTES=60)
	@$(BIN)/python -m training.train light --data training-data --out training-run --minutes $(MINUTES) & \
	$(BIN)/python -m training.train relief --data training-data --out training-run --minutes $(MINUTES) & wait
	@$(BIN)/python -m training.package --run training-run --out training-run/model

train-eval: setup  ## the table of docs/embedded.md: the trained model on products it has never seen
	@$(BIN)/python -m training.evaluate --data training-data --learned training.rows:trained --json training-data/evaluation.json

bench-night: setup  ## 1,000 small SKUs in one night, on SQLite and on PostgreSQL (docs/scale.md): about 25 minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.night --out bench-night

bench-scale: setup  ## 10,000 SKUs without their imaging: sensor, partition pages, compaction, report (docs/scale.md)
	@$(BIN)/python -m benchmarks.night_simulated

bench-scores: setup  ## what analysts ask of 10 million scores (docs/scale.md)
	@$(BIN)/python -m benchmarks.score_queries

bench-faults: setup  ## nothing lost: kills, full disks, crashes (benchmarks/README.md); goes on where it stopped
	@$(BIN)/python -m benchmarks.faults --out bench-faults

bench-ingest: setup  ## how long a file is on its way to the canonical mesh (benchmarks/README.md)
	@$(BIN)/python -m benchmarks.ingest_speed

bench-refine: setup  ## how long an image is in refinement, and how much of it is not the model (benchmarks/README.md)
	@$(BIN)/python -m benchmarks.refine_speed

bench-sentinel: setup  ## how often Sentinel is wrong, per defect (benchmarks/sentinel.md); goes on where it stopped
	@$(BIN)/python -m benchmarks.sentinel_pictures --out bench-sentinel
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.sentinel_scoring --out bench-sentinel --workers 2
	@$(BIN)/python -m benchmarks.sentinel_table --out bench-sentinel
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.sentinel_speed

bench-reference: setup  ## how often a product is placed wrongly in a photo (benchmarks/README.md); goes on where it stopped
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.reference_placement --photos 60 --out bench-reference

bench-render: setup  ## frame times beside pyrender's and pyvista's, which get an environment of their own
	@[ -x .venv-bench/bin/python ] || PATH="$$PATH:$(BIN)" uv venv -q --python $(BIN)/python .venv-bench
	@PATH="$$PATH:$(BIN)" uv pip install -q --python .venv-bench/bin/python --group bench
	@$(BIN)/python -m benchmarks.render_speed

lock: setup  ## after a change of pyproject.toml's dependencies
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --generate-hashes \
	    --extra dev --extra notebooks --extra pathtrace --extra production pyproject.toml -o requirements.lock

examples: setup  ## generate examples/catalogue again
	@$(BIN)/python -m examples.generate

clean:  ## forget the environment and the local store
	rm -rf .venv .venv-bench store .mypy_cache .ruff_cache .pytest_cache .hypothesis
