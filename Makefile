# `make run` and `make test` install what they need: Rust's targets by rustup, cargo-component by cargo.
# Nothing but rustup, a C compiler and make has to be there.

TARGET    := wasm32-unknown-unknown
COMPONENT := 0.21.1
# Outside the checkout, so that a second clone finds it.
TOOLS     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/jumpcloud-source/cargo-component-$(COMPONENT)
TOOL      := $(TOOLS)/bin/cargo-component
VERSION   := $(shell sed -n '/^\[workspace.package\]/,/^$$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
CARGO_HOME ?= $(HOME)/.cargo

# Panic messages name source files: not where this machine keeps them.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS := \
	--remap-path-prefix=$(CARGO_HOME)/registry/src=crates \
	--remap-path-prefix=$(shell rustc --print sysroot)=rust \
	--remap-path-prefix=$(CURDIR)=jumpcloud

RUN := dist/source-host run --once --plugin dist/jumpcloud.wasm --secret token=env:JUMPCLOUD_API_KEY

.PHONY: help run test check build component host simulator bench dist clean

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

run: build simulator ## Collects once: from JumpCloud with JUMPCLOUD_API_KEY set, else from the simulator
	@if [ -n "$$JUMPCLOUD_API_KEY" ]; then \
		exec $(RUN) --state state $(ARGS); \
	fi; \
	state=$$(mktemp -d) && trap 'rm -rf "$$state"' EXIT && \
	target/release/jumpcloud-simulator run -- $(RUN) --set api_base_url={url} --state "$$state" $(ARGS)

test: build simulator ## Runs all tests, the end-to-end ones on the built component in the built host
	cargo test --locked --release --workspace

check: $(TOOL) ## Format, lints, docs
	cargo fmt --all --check
	cargo clippy --locked --release --workspace --all-targets -- -D warnings
	cargo clippy --locked --profile component --target $(TARGET) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --release --workspace --no-deps

build: component host ## Makes dist/jumpcloud.wasm and dist/source-host

component: $(TOOL)
	@PATH="$(TOOLS)/bin:$$PATH" cargo component build --locked --profile component --target $(TARGET) >&2
	@install -D -m 644 target/$(TARGET)/component/jumpcloud.wasm dist/jumpcloud.wasm

host:
	@cargo build --locked --release -p source-host >&2
	@install -D -m 755 target/release/source-host dist/source-host

simulator:
	@cargo build --locked --release -p jumpcloud-simulator >&2

clean: ## Removes what was built here (not the tools)
	cargo clean
	rm -rf dist

$(TOOL):
	@echo "The first build takes about ten minutes: it compiles cargo-component and wasmtime." >&2
	rustup target add $(TARGET) wasm32-wasip1 >&2
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-component@$(COMPONENT) --locked --debug --root $(TOOLS) >&2
