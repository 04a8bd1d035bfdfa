# `make run` and `make test` install what they need: Rust's targets by rustup, cargo-component by cargo.
# Nothing but rustup, a C compiler and make has to be there.

TARGET    := wasm32-unknown-unknown
COMPONENT := 0.21.1
# Outside the checkout, so that a second clone finds it.
TOOLS     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/jumpcloud-source/cargo-component-$(COMPONENT)
TOOL      := $(TOOLS)/bin/cargo-component
FUZZ      := 0.13.1
FUZZ_TOOL := $(dir $(TOOLS))cargo-fuzz-$(FUZZ)/bin/cargo-fuzz
DENY      := 0.20.2
DENY_TOOL := $(dir $(TOOLS))cargo-deny-$(DENY)/bin/cargo-deny
CHANNEL   := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
VERSION   := $(shell sed -n '/^\[workspace.package\]/,/^$$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
CARGO_HOME ?= $(HOME)/.cargo
MAKEFLAGS += --no-print-directory

# Panic messages name source files: not where this machine keeps them, or two machines would build
# different bytes. (What cargo fetches lies in a folder that is named after the registry.)
REMAP = --remap-path-prefix=$(CURDIR)=jumpcloud $$(for crates in $(CARGO_HOME)/registry/src/*; do \
	echo "--remap-path-prefix=$$crates=crates"; done)
COMPONENT_ENV = PATH="$(TOOLS)/bin:$$PATH" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$(REMAP)"

# Components to try the host with: plain Rust for WASI 0.2.
GUESTS := --release --manifest-path tests/guests/Cargo.toml --target wasm32-wasip2 --target-dir target/guests

# Of the simulator.
PORT := 8099

RUN := dist/source-host run --once --plugin dist/jumpcloud.wasm --secret token=env:JUMPCLOUD_API_KEY

.PHONY: help run simulator toolchain test check build component host guests bench fuzz mutants soak peers receiver audit dist clean

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

run: build ## Collects once: from JumpCloud with JUMPCLOUD_API_KEY set, else from the simulator
	@if [ -n "$$JUMPCLOUD_API_KEY" ]; then \
		exec $(RUN) --state state $(ARGS); \
	fi; \
	rm -rf target/run; \
	exec target/release/jumpcloud-simulator run -- \
		$(RUN) --set api_base_url={url} --state target/run $(ARGS)

simulator: build ## Serves a simulated JumpCloud at port 8099 (or PORT=), to try a feeds.toml against
	target/release/jumpcloud-simulator serve --port $(PORT)

test: build guests ## Runs all tests, the end-to-end ones on the built component in the built host
	cargo test --locked --release --workspace

check: toolchain $(TOOL) ## Format, lints, docs
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path tests/guests/Cargo.toml
	cargo clippy --locked --release --workspace --all-targets -- -D warnings
	cargo clippy --locked $(GUESTS) -- -D warnings
	$(COMPONENT_ENV) cargo clippy --locked --profile component --target $(TARGET) -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --release --workspace --no-deps --document-private-items

build: component host ## Makes dist/jumpcloud.wasm and dist/source-host

component: toolchain $(TOOL)
	@cargo fetch --locked >&2
	@$(COMPONENT_ENV) cargo component build --locked --profile component --target $(TARGET) >&2
	@install -D -m 644 target/$(TARGET)/component/jumpcloud.wasm dist/jumpcloud.wasm

# Always the whole workspace: another selection would be other features, and wasmtime compiled again.
host: toolchain
	@cargo build --locked --release --workspace >&2
	@install -D -m 755 target/release/source-host dist/source-host

guests: toolchain
	@cargo build --locked $(GUESTS) >&2

bench: build ## Compares the speed of transform with its peers
	@$(COMPONENT_ENV) cargo component build --locked --release --target $(TARGET) \
		--manifest-path tests/benches/tree/Cargo.toml --target-dir target/tree >&2
	target/release/bench-transform

# Longer with SECONDS=3600. Each target starts from what it found before, and good input (seeds).
fuzz: $(FUZZ_TOOL) ## Looks for input that breaks a parser, three minutes each
	FUZZ="$(FUZZ_TOOL)" tests/fuzz/run $(or $(SECONDS),180)

mutants: build guests ## Takes rules out one by one, and shows which tests notice
	tests/mutants/mapping/run
	tests/mutants/collect/run
	tests/mutants/delivery/run
	tests/mutants/sandbox/run

# Longer with SECONDS=3600. From FIRST on, so that no two soaks are the same.
soak: ## Simulates new histories of collecting for ten minutes
	tests/simulation/soak $(or $(SECONDS),600)

peers: build ## Compares the output with other runtimes and validators (large downloads)
	tests/peers/run

receiver: build ## Delivers to an HTTP receiver made with aiohttp, which fails and is killed
	tests/peers/receiver/run

# Apart from `check`: the first run compiles cargo-deny, for some ten minutes.
audit: $(DENY_TOOL) ## Checks licences, sources and duplicates of all packages, and known defects
	$(DENY_TOOL) --locked --workspace check --hide-inclusion-graph bans licenses sources
	cd tests/guests && $(DENY_TOOL) --locked --config ../../deny.toml check --hide-inclusion-graph \
		-A license-not-encountered bans licenses sources
	@if $(DENY_TOOL) fetch db; then \
		$(DENY_TOOL) --locked --workspace check --disable-fetch advisories; \
	else \
		echo "known defects were not looked for: there is no way to the database" >&2; \
	fi

dist: build ## Makes dist/release: the component, the interface, the host, checksums
	@rm -rf dist/release && mkdir -p dist/release
	@install -m 644 dist/jumpcloud.wasm dist/release/jumpcloud-source-$(VERSION).wasm
	@install -m 755 dist/source-host dist/release/source-host
	@install -m 644 LICENSE dist/release/LICENSE
	@cp -r wit dist/release/wit
	@cd dist/release && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS
	@cat dist/release/SHA256SUMS

clean: ## Removes what was built here (not the tools)
	cargo clean
	rm -rf dist

# rustup may be set up not to install what rust-toolchain.toml names.
toolchain:
	@rustup which cargo >/dev/null 2>&1 || \
		rustup toolchain install $(CHANNEL) --profile minimal -c clippy -c rustfmt >&2
	@test 2 = "$$(rustup target list --installed | grep -cx -e $(TARGET) -e wasm32-wasip2)" || \
		rustup target add $(TARGET) wasm32-wasip1 wasm32-wasip2 >&2

$(TOOL): | toolchain
	@echo "The first build takes about ten minutes: it compiles cargo-component and wasmtime." >&2
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-component@$(COMPONENT) --locked --debug --root $(TOOLS) >&2

$(DENY_TOOL):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny@$(DENY) --locked --debug --root $(abspath $(dir $@)..) >&2

$(FUZZ_TOOL):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-fuzz@$(FUZZ) --locked --debug --root $(abspath $(dir $@)..) >&2
