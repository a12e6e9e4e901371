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

bench: build ## Compares with nginx, HAProxy and Caddy on this machine
	scripts/install-test-tools bench
	PORTWARD=$(PORTWARD) bench/bench.py -p nginx,haproxy,caddy,portward -w W1,W2,W3,W3r,W4,W6 -r 5 -q
	PORTWARD=$(PORTWARD) bench/bench.py -p nginx,haproxy,caddy,portward -w W5 -r 1 -q

soak: build ## Keeps Portward under mixed load for 30 minutes (SOAK_MINUTES) while it is changed, and looks for stalls and growth
	$(CARGO) build --release --locked -p portward-testkit --bin soak
	$(or $(CARGO_TARGET_DIR),target)/release/soak --minutes $(or $(SOAK_MINUTES),30)

fuzz: ## Fuzzes each parser for 10 minutes (FUZZ_SECONDS), two at a time; wants a nightly toolchain
	scripts/fuzz $(or $(FUZZ_SECONDS),600)

screenshots: ## Takes the pictures in docs/screenshots
	scripts/install-test-tools
	$(CARGO) build --workspace --locked
	$(or $(CARGO_TARGET_DIR),target)/debug/screenshots docs/screenshots
