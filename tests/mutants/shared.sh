# What the scripts of mutants share: a copy of the project, to which patches are applied one at a time.
# A rule whose patch no test misses is an error, and so is a patch that no longer applies.

COPY=$PWD/target/mutants/copy
export CARGO_TARGET_DIR=$PWD/target/mutants/target
export RUST_BACKTRACE=0
LOG=$PWD/target/mutants/log

fail() {
	echo "error: $*" >&2
	exit 1
}

# Copies the project, and what is built of its dependencies: compiling wasmtime takes minutes. The files
# are new, or cargo would go on with what it built of the last patch.
make_copy() {
	rm -rf "$COPY"
	mkdir -p "$COPY" "$CARGO_TARGET_DIR"
	tar -c --exclude=./target --exclude=./state --exclude=./.git . | tar -x -m -C "$COPY"
	# (No links: cargo writes into files, and these would be those of both.)
	if [ -d target/release ] && [ ! -d "$CARGO_TARGET_DIR/release" ]; then
		cp -a --reflink=auto target/release "$CARGO_TARGET_DIR/release"
	fi
	cd "$COPY"
	# For `git apply` this is no part of a repository.
	export GIT_CEILING_DIRECTORIES=${COPY%/*}
}

# For what is compiled for each patch, and has no heavy work to do: a tenth of the time.
compile_quickly() {
	mkdir .cargo
	cat > .cargo/config.toml <<- 'END'
		[build]
		incremental = true

		[profile.release.package]
		source-host.opt-level = 0
		jumpcloud-tests.opt-level = 0
	END
}

# Runs tests; true if none fails.
passes() {
	timeout 1800 cargo test --locked --release "$@" > "$LOG" 2>&1 && return
	grep -q '^test result: FAILED' "$LOG" || fail "the tests don't run: $(tail -n 3 "$LOG")"
	return 1
}

# Names of the tests that failed; of histories the one that did, which is how many came before it.
failed() {
	sed -n -e 's/^history \([0-9]*\) failed.*/history \1/p' \
		-e '/^test histories::/d' -e 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$LOG" | LC_ALL=C sort -u
}

# mutants FOLDER [RULE …]: applies the patches of a folder, all or some, and prints for each what
# `noticed PATCH` says.
mutants() {
	local patches=$1 patch rule found survivors=0
	shift
	for patch in "$patches"/*.patch; do
		rule=$(basename "$patch" .patch)
		[ $# = 0 ] || [[ " $* " == *" $rule "* ]] || continue
		git apply "$patch" || fail "$rule.patch no longer applies"
		found=$(noticed "$patch")
		git apply -R "$patch"
		[ -n "$found" ] || survivors=$((survivors + 1))
		found=${found:-NOTHING}
		printf '%-50s %s\n' "${rule//-/ }" \
			"$(head -n 3 <<< "$found" | paste -sd ' ')$(tail -n +4 <<< "$found" | sed -n '$=' | sed 's/.*/ and & more/')"
	done
	[ $survivors = 0 ] || fail "$survivors rules can go without a test that notices"
}
