# The one menu. `make run` and `make test` need a Rust toolchain and a C compiler; the rest installs itself.

CARGO ?= cargo
PORTWARD := $(or $(CARGO_TARGET_DIR),target)/release/portward

.PHONY: run build test check bench soak fuzz screenshots

run: ## Builds Portward and starts it with its embedded store in ./portward-data
	$(CARGO) build --release --locked -p portward-cli
	$(PORTWARD) serve --data-dir ./portward-data

build: ## Builds the release programs, portward and portward-agent
	$(CARGO) build --release --locked -p portward-cli -p portward-agent

test: ## Installs what the tests run beside Portward, and runs all of them
	scripts/install-test-tools
	$(CARGO) test --workspace --locked

check: ## Formatting, lints, licences and bans, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	scripts/check-dependencies

BENCH_PEERS := -p nginx,haproxy,caddy,portward,floor -q
BENCH_OUT := $(or $(CARGO_TARGET_DIR),target)/bench
ROUNDS ?= 9

bench: export PORTWARD := $(PORTWARD)
bench: build ## Compares with nginx, HAProxy and Caddy on this machine, and writes the tables of docs/PERFORMANCE.md
	scripts/install-test-tools bench
	mkdir -p $(BENCH_OUT)
	bench/bench.py $(BENCH_PEERS) -w W1,W2,W3,W3r,W4 -r $(ROUNDS) -o $(BENCH_OUT)/work.json
	bench/bench.py $(BENCH_PEERS) -w W5 -r 1 -o $(BENCH_OUT)/idle.json
	bench/bench.py $(BENCH_PEERS) -w W6,W6e --rps 3000 -d 2 -r $(ROUNDS) -o $(BENCH_OUT)/latency.json
	bench/bench.py -p portward,portward@SITES=10000,portward@LOG=json -q -w W1,W2,W3,W3r -r $(ROUNDS) -o $(BENCH_OUT)/variants.json
	bench/table.py docs/PERFORMANCE.md $(BENCH_OUT)/work.json $(BENCH_OUT)/idle.json $(BENCH_OUT)/latency.json $(BENCH_OUT)/variants.json

soak: build ## Keeps Portward under mixed load for 30 minutes (SOAK_MINUTES) while it is changed, and looks for stalls and growth
	$(CARGO) build --release --locked -p portward-testkit --bin soak
	$(or $(CARGO_TARGET_DIR),target)/release/soak --minutes $(or $(SOAK_MINUTES),30)

fuzz: ## Fuzzes each parser for 10 minutes (FUZZ_SECONDS), two at a time; wants a nightly toolchain
	scripts/fuzz $(or $(FUZZ_SECONDS),600)

screenshots: ## Takes the pictures in docs/screenshots
	scripts/install-test-tools
	$(CARGO) build --workspace --locked
	$(or $(CARGO_TARGET_DIR),target)/debug/screenshots docs/screenshots
